/* What both programs of this folder need of a command line. */
#ifndef CLI_H
#define CLI_H

#include <stddef.h>

/* Prints the text and exits 1. */
_Noreturn void cli_die(const char *text);

/* Dies of an error text; NULL is none. */
void cli_must(char *error);

/* Returns a file's bytes, to be freed; dies if it cannot be read. */
void *cli_read_file(const char *path, size_t *length);

#endif
