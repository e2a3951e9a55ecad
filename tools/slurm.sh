#!/bin/sh
# A small search as an array job of Slurm, whose controller and only node are this machine, beside the same search in
# one process: results and bundles must be the same, although the program of a task is killed in the middle of a
# training and Slurm runs the task again. With pruning and without; `make slurm`. Needs root and Debian. All but
# Debian's packages is in a temporary folder and ends with the script; the daemons listen on the loopback address only.
# usage: [BNC=PROGRAM] slurm.sh
set -eu
cd "$(dirname "$0")/.."
step=slurm
. tools/lib.sh
bnc=$(realpath "${BNC:-bin/bnc}")
PATH=$PATH:/usr/sbin:/sbin
images=$cache/fashion-mnist
[ "$(id -u)" = 0 ] || fail "needs root, for Slurm's daemons"
[ -f "$images/train-images-idx3-ubyte.gz" ] || fail "no images in $images: make deps"
packages="slurmctld slurmd slurm-client munge"
# shellcheck disable=SC2086 # packages are words
{ have slurmctld && have slurmd && have sbatch && have munged; } || apt_install $packages ||
	fail "Slurm and munge: missing. As root: $(apt_command $packages)"

# Other users must be able to enter it: munged is one.
work=$(realpath "$(mktemp -d "${TMPDIR:-/tmp}/bnc-slurm-XXXXXX")")
chmod 755 "$work"
job=

# within SECONDS COMMAND...: waits until the command succeeds; 1 where it does not.
within() {
	deadline=$(($(date +%s) + $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt "$deadline" ] || return 1
		sleep 0.1
	done
}
over() { [ -z "$(squeue --noheader --jobs "$job" 2>/dev/null)" ]; }
gone() { ! readlink "/proc/$1/exe" >/dev/null; } # no longer there, or only waited for

# quietly COMMAND...: what it prints is shown where it fails.
quietly() {
	"$@" >"$scratch/said" 2>&1 && return
	cat "$scratch/said" >&2
	fail "$(basename "$1") $2: failed"
}

# clean ends the tasks, which tell the daemons so, then the daemons.
clean() {
	if [ -n "$job" ]; then
		scancel "$job" 2>/dev/null || true
		within 60 over || true
	fi
	for daemon in slurmd slurmctld munge/munged; do
		pid=$(cat "$work/$daemon.pid" 2>/dev/null) || continue
		kill "$pid" 2>/dev/null && within 30 gone "$pid" || kill -KILL "$pid" 2>/dev/null || true
	done
	rm -rf "$work" "$scratch"
}
trap clean EXIT

# The first images of Fashion-MNIST, so that judging does not take longer than training.
# beginning SET COUNT
beginning() {
	count=$(printf '\\0%03o\\0%03o' $(($2 / 256)) $(($2 % 256)))
	{
		printf '\0\0\010\003\0\0%b\0\0\0\034\0\0\0\034' "$count"
		gzip -dc "$images/$1-images-idx3-ubyte.gz" | tail -c +17 | head -c $(($2 * 784))
	} >"$work/images/$1-images-idx3-ubyte"
	{
		printf '\0\0\010\001\0\0%b' "$count"
		gzip -dc "$images/$1-labels-idx1-ubyte.gz" | tail -c +9 | head -c "$2"
	} >"$work/images/$1-labels-idx1-ubyte"
}
mkdir "$work/images"
beginning train 1000
beginning t10k 500

cd "$work"
say "a ResNet-20, trained for two epochs on 1000 images"
quietly "$bnc" models resnet20 -o net.onnx
quietly "$bnc" train net.onnx --data images --epochs 2 --batch 16 --threads 1 -o base.onnx

say "starting munged, slurmctld and slurmd"
port=$((10000 + $$ % 10000 * 2))
host=$(uname -n)
host=${host%%.*}
mkdir munge spool state
chown munge munge
(umask 077 && head -c 128 /dev/urandom >munge/key && chown munge munge/key)
runuser -u munge -- munged --key-file="$work/munge/key" --socket="$work/munge/socket" --pid-file="$work/munge/munged.pid" \
	--log-file="$work/munge/log" --seed-file="$work/munge/seed"
# Requeued tasks begin again when their credential has expired. The node may have more or fewer cores than two.
export SLURM_CONF="$work/slurm.conf"
cat >slurm.conf <<END
ClusterName=bnc
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmctldPort=$port
SlurmdPort=$((port + 1))
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket=$work/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=2
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
JobRequeue=1
RequeueExit=137,75
KillWait=5
SlurmdTimeout=20
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 RealMemory=1000
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
slurmctld -f slurm.conf
slurmd -f slurm.conf
idle() { [ "$(sinfo --noheader --format %T 2>/dev/null)" = idle ]; }
within 30 idle || { tail -n 20 munge/log slurmctld.log slurmd.log >&2; fail "the node does not become idle; are the ports $port and $((port + 1)) free?"; }

# finished: the files of candidates that nothing more is to be done about.
finished() { grep -lE '"status": "(trained|skipped|failed)"|"reason": "' "$mode"/array/candidates/*.json 2>/dev/null; }

# as_left FILE...: what changes where a file is written again, or replaced by an equal one.
as_left() {
	stat --format '%n %i %y' "$@"
	sha256sum "$@"
}

# victim: stops the program of a task that is in the middle of a training, when another candidate is trained already.
# Sets $pid, $index (the task's) and $name (the candidate's).
victim() {
	grep -q '"status": "trained"' "$mode"/array/candidates/*.json 2>/dev/null || return 1
	for process in /proc/[0-9]*; do
		{ [ "$(readlink "$process/cwd")" = "$work" ] && [ "$(readlink "$process/exe")" = "$bnc" ]; } || continue
		pid=${process#/proc/}
		index=$(tr '\0' '\n' <"$process/cmdline" | sed -n '/^--index$/{n;p;}')
		kill -STOP "$pid" 2>/dev/null || continue
		name=$(tail -n 1 "$mode-${job}_$index.log" | sed -nE 's/^\[[0-9/]*\] (.*): training(;.*)?$/\1/p')
		folder=$mode/array/bundles/$(echo "$name" | sed 's/ \([cs]\)=/-\1/g').train
		[ -z "$name" ] || [ ! -f "$folder/checkpoint" ] || return 0
		kill -CONT "$pid"
	done 2>/dev/null
	return 1
}

# count STATUS: candidates of the single process.
count() { grep -c "\"status\": \"$1\"" "$mode/one/results.json" || true; }

# compare MODE [FLAG]: the search in both ways.
compare() {
	mode=$1
	shift
	set -- base.onnx --data images --cuts rb1,rb5 --c 1,2,4 --s 2 --epochs 1 --batch 32 --max-loss 10 --margin 15 --checkpoint-every 500ms --threads 1 "$@"
	mkdir "$mode"
	say "$mode search, in one process"
	began=$(date +%s)
	quietly "$bnc" search "$@" -o "$mode/one"
	seconds=$(($(date +%s) - began))

	say "$mode search, as an array job"
	began=$(date +%s)
	quietly "$bnc" search plan "$@" -o "$mode/array"
	quietly "$bnc" export slurm "$mode/array" --bnc "$bnc" --name "$mode" --cpus 1 -o "$mode/array.sbatch"
	job=$(sbatch --parsable "$mode/array.sbatch")
	within 600 victim || { tail "$mode-$job"_*.log >&2; fail "no task was seen in the middle of a training"; }
	# shellcheck disable=SC2046 # names without spaces
	set -- $(finished)
	before=$#
	for file; do
		bundle=$mode/array/$(sed -n 's/^ *"bundle": "\(.*\)".*/\1/p' "$file")
		# shellcheck disable=SC2046
		[ "$bundle" = "$mode/array/" ] || set -- "$@" $(find "$bundle" -type f)
	done
	as_left "$@" >"$mode/before"
	log=$(stat --format %i "$folder/log.jsonl")
	kill -KILL "$pid"
	within 600 over || { squeue >&2; fail "the array job does not end"; }
	quietly "$bnc" search collect -o "$mode/array"
	seconds="$seconds s, $(($(date +%s) - began)) s"

	tasks=$(($(sed -n 's/^#SBATCH --array=0-\([0-9]*\).*/\1/p' "$mode/array.sbatch") + 1))
	completed=$(squeue --noheader --array --states all --jobs "$job" --format %T | grep -c '^COMPLETED$' || true)
	[ "$completed" = "$tasks" ] || { squeue --array --states all >&2; fail "$completed of $tasks tasks are completed"; }
	scontrol show job "${job}_$index" | grep -q 'Restarts=1 ' || fail "task $index was not run again"
	as_left "$@" >"$mode/after"
	cmp "$mode/before" "$mode/after" || fail "what was finished before the kill was written again"
	twice=$(cat "$mode-$job"_*.log | sed -nE 's/^\[[0-9/]*\] ([^:]*: (screening|training))(;.*)?$/\1/p' | sort | uniq -d -c | sed 's/^ *//')
	[ "$twice" = "2 $name: training" ] || fail "begun more than once: $twice; expected 2 $name: training"
	[ "$log" = "$(stat --format %i "$folder/log.jsonl")" ] || fail "the training of $name began anew instead of going on from its checkpoint"

	# What two runs cannot share is how long each step took.
	for way in one array; do
		sed 's/"seconds": [0-9.e+-]*/"seconds": 0/' "$mode/$way/results.json" >"$mode/$way.json"
	done
	cmp "$mode/one.json" "$mode/array.json" || { diff "$mode/one.json" "$mode/array.json" >&2 || fail "the results differ"; }
	diff -r --exclude '*.train' "$mode/one/bundles" "$mode/array/bundles" >&2 || fail "the bundles differ"
	job=
	{
		say "$mode: $tasks candidates, $(count trained) trained, $(count screened) screened out, $(count skipped) skipped, $(count failed) failed; in one process and as an array job: $seconds"
		say "$mode: task $index killed while it trained $name, run again by Slurm (Restarts=1), $completed of $tasks tasks COMPLETED"
		say "$mode: candidates finished before the kill: $before, files and bundles untouched; nothing begun twice but the killed training, which went on from its checkpoint"
		say "$mode: results.json the same but for $(grep -c '"seconds"' "$mode/one.json") times (\"seconds\"), $(find "$mode/one/bundles" -name '*.onnx' | wc -l) graphs of bundles the same to the byte"
	} >>summary
}

compare pruned
compare exhaustive --exhaustive
cat summary
