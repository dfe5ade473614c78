/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-state-directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tn-error.h"
#include "tn-secret.h"

/* A file holds one line, "tailnet-state 1 LENGTH SHA256\n", and the value. Both numbers are there so that a file cut short or
 * overwritten with zeros, as some file systems leave them after a power cut, is not taken for a key. */
#define HEADER_FORMAT   "tailnet-state 1 %" G_GSIZE_FORMAT " %s\n"
#define HEADER_MAX      128
#define VALUE_MAX       (32 << 20)      /* keys are short, but not the network map of 100 000 nodes */
#define LOCK_NAME       "lock"

struct _TnStateDirectory
{
  gatomicrefcount ref_count;
  char           *path;
  int             fd;
  int             lock_fd;
};

/* Consumes errno. */
static gboolean
fail_errno (GError    **error,
            const char *doing,
            const char *directory,
            const char *name)
{
  int code = errno;
  g_autofree char *path = g_build_filename (directory, name, NULL);

  g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (code), "cannot %s %s: %s", doing, path, g_strerror (code));
  return FALSE;
}

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

/* What others can read is no secret any more: said once an acquisition or load, and gone on. */
static void
warn_if_open (const struct stat *info,
              const char        *directory,
              const char        *name)
{
  g_autofree char *path = NULL;

  if (info->st_uid == geteuid () && (info->st_mode & 077) == 0)
    return;
  path = g_build_filename (directory, name, NULL);
  g_warning ("%s (mode %03o, user %u) is open to others, who could become this node", path,
             (guint) info->st_mode & 0777, (guint) info->st_uid);
}

static gboolean
open_directory (TnStateDirectory  *self,
                GError           **error)
{
  struct stat info;

  if (g_mkdir_with_parents (self->path, 0700) != 0)
    return fail_errno (error, "make", self->path, NULL);
  self->fd = open (self->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (self->fd < 0 || fstat (self->fd, &info) != 0)
    return fail_errno (error, "open", self->path, NULL);

  warn_if_open (&info, self->path, NULL);
  return TRUE;
}

static gboolean
take_lock (TnStateDirectory  *self,
           GError           **error)
{
  char owner[32] = "";
  char text[32];
  ssize_t n;

  self->lock_fd = openat (self->fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (self->lock_fd < 0)
    return fail_errno (error, "open", self->path, LOCK_NAME);

  if (flock (self->lock_fd, LOCK_EX | LOCK_NB) != 0)
    {
      if (errno != EWOULDBLOCK)
        return fail_errno (error, "lock", self->path, LOCK_NAME);
      n = pread (self->lock_fd, owner, sizeof owner - 1, 0);
      owner[MAX (n, 0)] = '\0';
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY, "the state in %s is in use by process %" G_GUINT64_FORMAT,
                   self->path, g_ascii_strtoull (owner, NULL, 10));
      return FALSE;
    }

  /* Only for the message above, so nothing depends on it. */
  g_snprintf (text, sizeof text, "%ld\n", (long) getpid ());
  if (ftruncate (self->lock_fd, 0) != 0 || pwrite (self->lock_fd, text, strlen (text), 0) < 0)
    g_debug ("cannot note the owner in %s/%s: %s", self->path, LOCK_NAME, g_strerror (errno));
  return TRUE;
}

TnStateDirectory *
tn_state_directory_open (const char  *path,
                         GError     **error)
{
  TnStateDirectory *self = g_new0 (TnStateDirectory, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->path = g_strdup (path);
  self->fd = self->lock_fd = -1;
  if (open_directory (self, error) && take_lock (self, error))
    return self;

  tn_state_directory_unref (self);
  return NULL;
}

TnStateDirectory *
tn_state_directory_ref (TnStateDirectory *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
tn_state_directory_unref (TnStateDirectory *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  close_fd (&self->lock_fd);      /* which unlocks it; the file stays, or two could lock two files of one name */
  close_fd (&self->fd);
  g_free (self->path);
  g_free (self);
}

static gboolean
read_all (int     fd,
          guint8 *out,
          gsize   len)
{
  while (len > 0)
    {
      ssize_t n = read (fd, out, len);

      if (n < 0 && errno == EINTR)
        continue;
      if (n == 0)
        errno = EIO;           /* shorter than fstat() said */
      if (n <= 0)
        return FALSE;
      out += n;
      len -= (gsize) n;
    }
  return TRUE;
}

static gboolean
write_all (int           fd,
           const guint8 *data,
           gsize         len)
{
  while (len > 0)
    {
      ssize_t n = write (fd, data, len);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return FALSE;
      data += n;
      len -= (gsize) n;
    }
  return TRUE;
}

/* Where the value begins in the bytes of a file. 0: not here, and what is wrong with it. */
static gsize
find_value (const guint8  *contents,
            gsize          len,
            const char   **problem)
{
  const guint8 *end = memchr (contents, '\n', MIN (len, HEADER_MAX));
  char header[HEADER_MAX];
  g_autofree char *digest = NULL;
  const guint8 *value;
  gsize value_len;

  *problem = "it does not begin as a state file does";
  if (end == NULL)
    return 0;
  value = end + 1;
  value_len = len - (gsize) (value - contents);
  digest = g_compute_checksum_for_data (G_CHECKSUM_SHA256, value, value_len);
  if (g_snprintf (header, sizeof header, HEADER_FORMAT, value_len, digest) == value - contents &&
      memcmp (header, contents, (gsize) (value - contents)) == 0)
    return (gsize) (value - contents);

  if (g_str_has_prefix (memcpy (memset (header, 0, sizeof header), contents, (gsize) (end - contents)), "tailnet-state "))
    *problem = "length or checksum do not fit its contents, or a newer version wrote it";
  return 0;
}

static GBytes *
read_value (TnStateDirectory  *self,
            int                fd,
            const char        *name,
            GError           **error)
{
  struct stat info;
  g_autoptr (GBytes) contents = NULL;
  const char *problem = NULL;
  guint8 *data;
  gsize len, start = 0;

  if (fstat (fd, &info) != 0)
    {
      fail_errno (error, "read", self->path, name);
      return NULL;
    }
  warn_if_open (&info, self->path, name);

  if (!S_ISREG (info.st_mode) || info.st_size > VALUE_MAX + HEADER_MAX)
    problem = "it is no file of a usual size";
  else
    {
      len = MIN ((gsize) info.st_size, VALUE_MAX + HEADER_MAX);
      data = g_malloc (len + 1);
      contents = tn_secret_bytes_new_take (data, len);
      if (!read_all (fd, data, len))
        fail_errno (error, "read", self->path, name);
      else
        start = find_value (data, len, &problem);
    }

  if (start > 0)
    return g_bytes_new_from_bytes (contents, start, len - start);
  if (problem != NULL)
    g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "%s/%s is damaged: %s", self->path, name, problem);
  return NULL;
}

GBytes *
tn_state_directory_load (TnStateDirectory  *self,
                         const char        *key,
                         GError           **error)
{
  g_autofree char *name = g_strconcat (key, ".state", NULL);
  GBytes *value;
  int fd = openat (self->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

  if (fd < 0)
    {
      if (errno != ENOENT)
        fail_errno (error, "open", self->path, name);
      return NULL;
    }
  value = read_value (self, fd, name, error);
  close (fd);
  return value;
}

/* A whole new file beside the old one; only when the disk has it does it take the old one's name. */
static gboolean
write_file (TnStateDirectory *self,
            const char       *name,
            GBytes           *value)
{
  gsize len;
  const guint8 *data = g_bytes_get_data (value, &len);
  g_autofree char *digest = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, value);
  g_autofree char *header = g_strdup_printf (HEADER_FORMAT, len, digest);
  int fd;
  gboolean ok;

  /* What a crash left is no use to anybody. */
  if (unlinkat (self->fd, name, 0) != 0 && errno != ENOENT)
    return FALSE;
  fd = openat (self->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    return FALSE;

  ok = write_all (fd, (const guint8 *) header, strlen (header)) && write_all (fd, data, len) && fsync (fd) == 0;
  if (close (fd) != 0)
    ok = FALSE;
  return ok;
}

gboolean
tn_state_directory_save (TnStateDirectory  *self,
                         const char        *key,
                         GBytes            *value,
                         GError           **error)
{
  g_autofree char *name = g_strconcat (key, ".state", NULL);
  g_autofree char *new_name = g_strconcat (key, ".new", NULL);
  int saved_errno;

  if (value == NULL)
    {
      if (unlinkat (self->fd, name, 0) != 0 && errno != ENOENT)
        return fail_errno (error, "remove", self->path, name);
    }
  else if (g_bytes_get_size (value) > VALUE_MAX)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "value of %" G_GSIZE_FORMAT " bytes for %s/%s, at most %d allowed",
                   g_bytes_get_size (value), self->path, name, VALUE_MAX);
      return FALSE;
    }
  else if (!write_file (self, new_name, value) ||
           renameat (self->fd, new_name, self->fd, name) != 0)
    {
      saved_errno = errno;
      unlinkat (self->fd, new_name, 0);
      errno = saved_errno;
      return fail_errno (error, "write", self->path, name);
    }

  if (fsync (self->fd) != 0)
    return fail_errno (error, "write", self->path, NULL);
  return TRUE;
}
