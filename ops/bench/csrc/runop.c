/*
 * Runs a model once through ONNX Runtime's C API of version 11:
 *
 *   runop LIBRARY PLUGIN MODEL OUTPUT[,OUTPUT] NAME:TYPE:D,D,..:FILE ...
 *
 * TYPE is the number of ONNX's element type, FILE the raw bytes of the tensor.
 * Prints the outputs one after another, each as a line "NAME TYPE D,D,.. BYTES"
 * and its bytes. Exits 1 with the text of ONNX Runtime's error.
 */
#include "cli.h"
#include "rawort.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Takes the text apart in place. */
static raw_tensor parse_input(char *text) {
  raw_tensor t = {.name = strtok(text, ":")};
  t.type = atoi(strtok(NULL, ":"));
  char *dims = strtok(NULL, ":"), *file = strtok(NULL, "");
  for (char *d = strtok(dims, ","); d; d = strtok(NULL, ",")) {
    if (t.rank == RAW_MAX_RANK)
      cli_die("too many dimensions");
    t.dims[t.rank++] = atoll(d);
  }
  t.data = cli_read_file(file, &t.bytes);
  return t;
}

static void print(const raw_tensor *t) {
  printf("%s %d ", t->name, t->type);
  for (size_t i = 0; i < t->rank; i++)
    printf("%s%" PRId64, i ? "," : "", t->dims[i]);
  printf(" %zu\n", t->bytes);
  fwrite(t->data, 1, t->bytes, stdout);
}

int main(int argc, char **argv) {
  if (argc < 6 || argc > 5 + RAW_MAX_TENSORS)
    cli_die("expected 5 or 6 arguments");
  size_t length;
  void *model = cli_read_file(argv[3], &length);
  raw_session *session;
  cli_must(raw_open(argv[1], argv[2], model, length, &session));
  raw_tensor inputs[RAW_MAX_TENSORS], outputs[RAW_MAX_TENSORS] = {{0}};
  size_t n_outputs = 0;
  for (char *name = strtok(argv[4], ","); name && n_outputs < RAW_MAX_TENSORS; name = strtok(NULL, ","))
    outputs[n_outputs++].name = name;
  const size_t n_inputs = (size_t)argc - 5;
  for (size_t i = 0; i < n_inputs; i++)
    inputs[i] = parse_input(argv[5 + i]);
  cli_must(raw_run(session, inputs, n_inputs, outputs, n_outputs));
  for (size_t i = 0; i < n_outputs; i++) {
    print(&outputs[i]);
    free(outputs[i].data);
  }
  for (size_t i = 0; i < n_inputs; i++)
    free(inputs[i].data);
  free(model);
  raw_close(session);
  return 0;
}
