/*
 * ONNX Runtime through the C API of version 11, with a library that is opened
 * by path. Functions return NULL or the text of an error, to be freed.
 */
#ifndef RAWORT_H
#define RAWORT_H

#include <stddef.h>
#include <stdint.h>

#define RAW_MAX_RANK 4
#define RAW_MAX_TENSORS 2 /* inputs, or outputs, of a session */

typedef struct raw_session raw_session;

/* A dense tensor; data is the caller's for inputs, to be freed for outputs. */
typedef struct raw_tensor {
  const char *name;
  int type; /* ONNXTensorElementDataType: float, uint8 or int64 */
  size_t rank;
  int64_t dims[RAW_MAX_RANK];
  void *data;
  size_t bytes;
} raw_tensor;

char *raw_open(const char *library, const char *plugin, const void *model, size_t length,
               raw_session **session);
void raw_close(raw_session *session);

/* Runs once. Each output has its name; the rest is filled. */
char *raw_run(raw_session *session, const raw_tensor *inputs, size_t n_inputs,
              raw_tensor *outputs, size_t n_outputs);

/*
 * Runs rounds times, each on the next of the n inputs, and drops the outputs.
 * *ns is the time of all the runs, in nanoseconds.
 */
char *raw_time(raw_session *session, const raw_tensor *inputs, size_t n, const char *output,
               int rounds, int64_t *ns);

#endif
