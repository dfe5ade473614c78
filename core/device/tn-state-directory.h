/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A directory of secrets, made if need be and locked as long as somebody holds it: what TnFileStateStore does to the disk. Every
 * call blocks. Reference counted, from any thread; one call at a time. */
typedef struct _TnStateDirectory TnStateDirectory;

/* G_IO_ERROR_BUSY: somebody else has it. */
TnStateDirectory *tn_state_directory_open  (const char *path, GError **error);
TnStateDirectory *tn_state_directory_ref   (TnStateDirectory *self);
void              tn_state_directory_unref (TnStateDirectory *self);

/* NULL without an error: there is none. */
GBytes           *tn_state_directory_load  (TnStateDirectory *self, const char *key, GError **error);

/* TRUE: the disk has it. NULL as @value removes it. */
gboolean          tn_state_directory_save  (TnStateDirectory *self, const char *key, GBytes *value, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnStateDirectory, tn_state_directory_unref)

G_END_DECLS
