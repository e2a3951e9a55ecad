package oip

import (
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
)

// tritonclient sends tensors of all types in every form that it has to a server
// that answers with the elements in opposite order, and checks that with numpy.
const tritonclient = `
import sys, asyncio, numpy as np
import tritonclient.http as http, tritonclient.grpc as grpc
import tritonclient.http.aio as http_aio, tritonclient.grpc.aio as grpc_aio
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

rng = np.random.default_rng(5)
arrays = {
    'payload': rng.integers(0, 256, 26801).astype(np.uint8),
    'flags': np.array([True, False, False]),
    'text': np.array([['a', 'ü"\\'], ['', 'last']], dtype=np.object_),
    'scalars': np.array([1.5], np.float32),
    'empty': np.zeros((0, 3), np.float32),
    'special': np.array([np.nan, np.inf, -np.inf, 0.1, -0.0], np.float32),
    'half': rng.standard_normal((3, 5)).astype(np.float16),
}
for t in (np.int8, np.int16, np.int32, np.int64, np.uint16, np.uint32, np.uint64):
    i = np.iinfo(t)
    arrays[t.__name__] = np.array([[i.min, i.max, 1], [2, 3, 4]], t)
for t in (np.float32, np.float64):
    arrays[t.__name__] = rng.standard_normal((2, 3, 4)).astype(t)

def same(name, got, want):
    if want.dtype == np.object_:
        got = np.array([x.decode() if isinstance(x, bytes) else x for x in got.ravel()], dtype=np.object_).reshape(got.shape)
        assert got.tolist() == want.tolist(), (name, got, want)
    else:
        np.testing.assert_array_equal(got, want, err_msg=name)
        assert got.dtype == want.dtype or got.size == 0, (name, got.dtype)  # tritonclient: float64 for no bytes

def inputs(kind, **form):
    out = []
    for name, a in arrays.items():
        if form.get('binary_data') is False and a.dtype == np.float16:
            continue  # tritonclient refuses it
        i = kind.InferInput(name, a.shape, np_to_triton_dtype(a.dtype))
        i.set_data_from_numpy(a, **form)
        out.append(i)
    return out

def outputs(kind, ins, **form):
    return [kind.InferRequestedOutput(i.name(), **form) for i in ins]

count = 0
def check(result, ins, id):
    global count
    for i in ins:
        a = arrays[i.name()]
        same(i.name(), result.as_numpy(i.name()), a.ravel()[::-1].reshape(a.shape))
        count += 1
    r = result.get_response()
    assert (r['id'] if isinstance(r, dict) else r.id) == id
    return r

rest, rpc = sys.argv[1:]
h, g = http.InferenceServerClient(rest), grpc.InferenceServerClient(rpc)
for c in (h, g):
    assert c.is_server_live() and c.is_server_ready() and c.is_model_ready('m') and c.is_model_ready('m', '1')
assert h.get_server_metadata()['name'] == g.get_server_metadata(as_json=True)['name'] == 'fake'
for m in (h.get_model_metadata('m'), g.get_model_metadata('m', as_json=True)):
    assert m['inputs'] == [{'name': 'payload', 'datatype': 'UINT8', 'shape': m['inputs'][0]['shape']}], m
    assert [int(d) for d in m['outputs'][0]['shape']] == [-1, 10], m

params = {'text': 'x', 'whole': 7, 'flag': True}
for send in (True, False):
    for receive in (True, False):
        ins = inputs(http, binary_data=send)
        if not receive:
            ins = [i for i in ins if i.name() not in ('half', 'special')]  # what JSON does not have
        r = check(h.infer('m', ins, request_id='id1', outputs=outputs(http, ins, binary_data=receive), parameters=params, timeout=5000), ins, 'id1')
        assert {k: r['parameters'][k] for k in ('text', 'whole', 'flag', 'timeout')} == {**params, 'timeout': 5000}, r
ins = inputs(http)
check(h.infer('m', ins, model_version='1', request_id='all'), ins, 'all')  # no outputs named: binary_data_output
ins = inputs(grpc)
r = check(g.infer('m', ins, request_id='id2', parameters=params), ins, 'id2')
assert r.parameters['text'].string_param == 'x' and r.parameters['whole'].int64_param == 7 and r.parameters['flag'].bool_param
check(g.infer('m', ins, request_id='id3', outputs=outputs(grpc, ins)), ins, 'id3')

async def both():
    async with http_aio.InferenceServerClient(rest) as a, grpc_aio.InferenceServerClient(rpc) as b:
        hi, gi = inputs(http), inputs(grpc)
        for r in await asyncio.gather(*[a.infer('m', hi, request_id='a') for _ in range(5)]):
            check(r, hi, 'a')
        for r in await asyncio.gather(*[b.infer('m', gi, request_id='b') for _ in range(5)]):
            check(r, gi, 'b')
asyncio.run(both())

for c, ins, want in ((h, inputs(http), '404'), (g, inputs(grpc), 'StatusCode.NOT_FOUND')):
    try:
        c.infer('nobody', ins)
        raise SystemExit('an unknown model answered')
    except InferenceServerException as e:
        assert e.status() == want and 'no model "nobody"' in e.message(), (e.status(), e.message())
special = [i for i in inputs(http) if i.name() == 'special']
try:
    h.infer('m', special, outputs=outputs(http, special, binary_data=False))
    raise SystemExit('infinity was written as JSON')
except InferenceServerException as e:
    assert e.status() == '400' and '"special"' in e.message() and 'binary_data' in e.message(), (e.status(), e.message())
print(count, 'tensors')
`

func TestTritonClient(t *testing.T) {
	if out := rttest.Python(t, "import importlib.util; print(bool(importlib.util.find_spec('tritonclient')))"); !strings.HasPrefix(string(out), "True") {
		t.Skip("the oracle's Python has no tritonclient: run make deps-oracle")
	}
	s := &fake{infer: reversed}
	out := rttest.Python(t, tritonclient, serveREST(t, s), serveGRPC(t, grpcServer{s: s}))
	// 16 arrays: all in binary both ways, 15 sent as JSON, 14 received as JSON, twice,
	// then 16 each time: REST, twice gRPC, ten asynchronous.
	if got := strings.TrimSpace(string(out)); got != "267 tensors" {
		t.Errorf("tritonclient compared %s", got)
	}
}
