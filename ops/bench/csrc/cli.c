#include "cli.h"

#include <stdio.h>
#include <stdlib.h>

void cli_die(const char *text) {
  fprintf(stderr, "%s\n", text);
  exit(1);
}

void cli_must(char *error) {
  if (error)
    cli_die(error);
}

void *cli_read_file(const char *path, size_t *length) {
  FILE *f = fopen(path, "rb");
  if (!f)
    cli_die(path);
  fseek(f, 0, SEEK_END);
  *length = (size_t)ftell(f);
  rewind(f);
  void *bytes = malloc(*length + 1);
  if (!bytes || fread(bytes, 1, *length, f) != *length)
    cli_die(path);
  fclose(f);
  return bytes;
}
