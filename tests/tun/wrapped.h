/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/uio.h>

/* What the kernel is made to say: linked with --wrap. */
typedef struct
{
  guint n_bad_reads;       /* next ones, that fail */
  int   read_error;
  int   n_pieces_max;      /* writes of more pieces are refused; 0: none are */
  guint n_refused;
  guint n_written;
} Wrapped;

extern Wrapped wrapped;
