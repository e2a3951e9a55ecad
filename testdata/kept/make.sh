#!/bin/sh
# Makes what is kept here: bundles, trainings, searches and profiles, and what was
# said of them. Usage: sh make.sh BNC, in a copy of this folder with stripes.onnx,
# set and photos (a network, images and pictures as the tests of cmd/bnc make them)
# and commands.txt. What lies here was made by the bnc of commit 11bc711: a newer one
# must go on reading it, and this script is for looking at how it came to be.
set -e
bnc=$1
split() { name=$1; shift; "$bnc" split stripes.onnx -o "bundles/$name" "$@"; }
rm -rf bundles training found begun planned said trained.onnx trained.onnx.train device.json server.json
mkdir -p bundles training said

# Bundles of every kind. The cut n can be negative.
split dynamic --after q --c 2 --s 2
split dynamic-calibrated --after q --c 2 --s 2 --calib set --range dynamic
split static --after q --c 2 --s 2 --calib set --labels labels.txt
split full --after q --c full --s 2 --calib set --quality 40
split coarse --after q --c 3 --s 1 --bits 5 --calib set
split signed --after n --c 2 --s 1 --calib set --resize 12 --mean 0.4 --std 0.3
split device-host --after q --c 4 --s 1 --codec-at device-host --range dynamic
split host --after r --c 4 --s 1 --codec-at host --calib set
split restore-width --after q --c 2 --s 2 --restore-width 3 --calib set
split fp16 --after q --c 2 --s 2 --fp16 --calib set
split tx2 --after q --c 2 --s 2 --target tx2 --calib set
split plain --after r --plain
split trained --after q --c 2 --s 2 --seed 4
few="--epochs 2 --batch 16 --flip off --seed 3 --threads 1"
"$bnc" train bundles/trained --data set $few
"$bnc" train stripes.onnx --data set --epochs 8 --batch 16 --flip off --threads 1 -o trained.onnx

# A training that was killed in its fourth epoch, and the same in one go. The bundle of
# the first is what both began with; it is calibrated, so that this does not depend on
# the processor.
long="--epochs 5 --batch 8 --flip off --checkpoint-every 1ns --threads 1"
split whole --after q --c 2 --s 2 --seed 7 --calib set
mv bundles/whole training/whole
until [ -f training/begun.train/checkpoint ]; do
	rm -rf training/begun training/begun.train
	cp -r training/whole training/begun
	"$bnc" train training/begun --data set $long & pid=$!
	until [ "$(wc -l 2>/dev/null <training/begun.train/log.jsonl || echo 0)" -ge 30 ] || ! kill -0 $pid 2>/dev/null; do :; done
	kill -9 $pid || true
	wait $pid || true
done
"$bnc" train training/whole --data set $long

# A search, and the same killed in a training behind one that was finished.
planned="--epochs 1 --batch 8 --distill --freeze backbone --lr 0.02 --optimizer adam --flip off --random-crop 1 --temperature 2 --resize 12 --mean 0.4 --std 0.3
	--quality 30 --bits 7 --codec-at device-host --restore-width 2 --limit 64 --val-limit 32 --max-loss 60 --margin 100 --seed 2 --threads 1"
grid="--cuts r,q --c 1,3 --s 1,2 --epochs 2 --batch 16 --flip off --seed 5 --max-loss 5 --margin 15 --checkpoint-every 1ns --threads 1"
"$bnc" search trained.onnx --data set -o found $grid
until ls begun/bundles/cut6*.train/checkpoint >/dev/null 2>&1; do
	rm -rf begun
	"$bnc" search trained.onnx --data set -o begun $grid & pid=$!
	until grep -qs '"trained"' begun/candidates/*.json && ls begun/bundles/cut6*.train/checkpoint >/dev/null 2>&1 || ! kill -0 $pid 2>/dev/null; do :; done
	kill -9 $pid || true
	wait $pid || true
done

# A plan of many flags, and what the search gives.
"$bnc" search plan trained.onnx --data set -o planned --cuts q,r --c 2,full --s 2 $planned
cp -r planned ran
"$bnc" search trained.onnx --data set -o ran --cuts q,r --c 2,full --s 2 $planned
cp ran/results.json planned/
rm -rf ran
# Locks and temporary files of what was killed, and what nothing reads.
find . \( -name lock -o -path '*/locks/*' -o -name '*.tmp' -o -name curves.html \) -exec rm {} +
rm -rf bundles/*.train found/bundles/*.train trained.train

# Profiles of two machines.
"$bnc" profile trained.onnx found/bundles/cut6-c3-s2 --cuts r,q --c 1 --s 2 --runs 20 --threads 1 --device phone --power constant:1500 -o device.json
"$bnc" profile trained.onnx found/bundles/cut6-c3-s2 --cuts r,q --c 1 --s 2 --runs 20 --threads 1 --device server -o server.json

# What is said of all that. Times are no part of it.
while read -r name args; do
	"$bnc" $args --json | sed -E '/"(mobile|link|cloud|total)_ms"/d' >"said/$name.json"
done <commands.txt
"$bnc" report --profile device.json --cloud-profile server.json --results found/results.json --eval trained=said/eval-sweep.json --model trained.onnx -o page.html --markdown said/report.md
rm page.html
find . -type d -empty -delete
