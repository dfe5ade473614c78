/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Conformance vectors: files of JSON Lines, whose first line may describe the file ("about") and each further line is one case.
 *
 *   static const TnVectorOp ops[] = { { "seal", test_seal }, { "open", test_open } };
 *   tn_vectors_run ("disco.jsonl", 1491, ops, G_N_ELEMENTS (ops), NULL);
 *
 * The first difference ends the test with file, line and id. A case whose op is not in the table is a failure too; an entry
 * without function leaves its op to another test, by name. The files lie in tests/vectors/ or in the folder TAILNET_TEST_VECTORS.
 * A file has as many cases as the member "cases" of its first line says; without it, one in tests/vectors/ has as many as the call
 * says. So a file that lost lines fails, as does a case that nobody ran. */

#include <json-glib/json-glib.h>
#include <string.h>

#include "tn-hex.h"

typedef struct
{
  const char *path;
  guint       line;
  JsonObject *object;       /* the case */
  gpointer    user_data;
  gboolean    failed;
} TnVector;

typedef struct
{
  const char *op;           /* NULL: cases of this file have none */
  void      (*func) (TnVector *v);
} TnVectorOp;

static inline char *
tn_vectors_path (const char *file)
{
  const char *folder = g_getenv ("TAILNET_TEST_VECTORS");

  return folder != NULL && *folder != '\0' ? g_build_filename (folder, file, NULL)
                                           : g_test_build_filename (G_TEST_DIST, "vectors", file, NULL);
}

/* Reports the first difference of a case; later ones follow from it. */
static inline void G_GNUC_PRINTF (2, 3)
tn_vector_fail (TnVector *v, const char *format, ...)
{
  static const char *const names[] = { "id", "case", "variant", "reason", "op", "do" };
  g_autoptr (GString) id = g_string_new (NULL);
  g_autofree char *text = NULL;
  va_list args;

  if (v->failed)
    return;
  v->failed = TRUE;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      JsonNode *node = json_object_get_member (v->object, names[i]);

      if (node != NULL && JSON_NODE_HOLDS_VALUE (node))
        {
          g_autofree char *value = json_to_string (node, FALSE);

          g_string_append_printf (id, " %s=%s", names[i], value);
        }
    }
  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_test_message ("%s:%u:%s: %s", v->path, v->line, id->str, text);
  g_test_fail ();
}

/* What became of the cases of a file. */
typedef struct
{
  const TnVectorOp *ops;
  guint             n_ops;
  guint            *n_of_op;      /* for each op */
  gint64            n_wanted;     /* -1: any number but none */
  guint             n_cases;
} TnVectorRun;

static inline void
tn_vectors_run_case (TnVector *v, TnVectorRun *run)
{
  const char *op = json_object_get_string_member_with_default (v->object, "op", NULL);

  run->n_cases++;
  for (guint i = 0; i < run->n_ops; i++)
    if (g_strcmp0 (run->ops[i].op, op) == 0)
      {
        if (run->ops[i].func != NULL)
          run->ops[i].func (v);
        run->n_of_op[i]++;
        return;
      }
  tn_vector_fail (v, "no test knows this op");
}

static inline void
tn_vectors_run_line (TnVector *v, const char *line, TnVectorRun *run)
{
  g_autoptr (JsonNode) root = NULL;
  g_autoptr (GError) error = NULL;

  root = json_from_string (line, &error);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    {
      g_test_message ("%s:%u: %s", v->path, v->line, error != NULL ? error->message : "not an object");
      g_test_fail ();
      v->failed = TRUE;
      return;
    }

  v->object = json_node_get_object (root);
  if (v->line == 1 && json_object_has_member (v->object, "about"))
    run->n_wanted = json_object_get_int_member_with_default (v->object, "cases", run->n_wanted);
  else
    tn_vectors_run_case (v, run);
}

static inline void
tn_vectors_count (TnVector *v, const TnVectorRun *run)
{
  g_autoptr (GString) left = g_string_new (NULL);
  guint n_done = 0, n_left = 0;

  for (guint i = 0; i < run->n_ops; i++)
    if (run->ops[i].func != NULL)
      n_done += run->n_of_op[i];
    else if (run->n_of_op[i] > 0)
      {
        g_string_append_printf (left, "%s%s (%u)", left->len > 0 ? ", " : "", run->ops[i].op, run->n_of_op[i]);
        n_left += run->n_of_op[i];
      }

  g_test_message ("%s: %u cases run of %u", v->path, n_done, run->n_cases);
  if (n_left > 0)
    g_test_message ("%s: not for this test: %s", v->path, left->str);
  if (v->failed)
    return;

  if (n_done == 0 || n_done + n_left != run->n_cases || (run->n_wanted >= 0 && run->n_cases != run->n_wanted))
    {
      g_test_message ("%s: %u cases run and %u left to others, of %u in the file, which should have %" G_GINT64_FORMAT,
                      v->path, n_done, n_left, run->n_cases, run->n_wanted);
      g_test_fail ();
    }
}

/* @n_wanted: how many cases the file has if it does not say so itself; -1: any number. */
static inline void
tn_vectors_run_path (const char *path, gint64 n_wanted, const TnVectorOp *ops, guint n_ops, gpointer user_data)
{
  g_autofree char *contents = NULL;
  g_autofree guint *n_of_op = g_new0 (guint, n_ops);
  g_autoptr (GError) error = NULL;
  TnVector v = { .path = path, .user_data = user_data };
  TnVectorRun run = { ops, n_ops, n_of_op, n_wanted, 0 };
  gsize len;
  char *line, *next;

  if (!g_file_get_contents (path, &contents, &len, &error))
    {
      g_test_message ("%s", error->message);
      g_test_fail ();
      return;
    }
  if (strlen (contents) != len)
    {
      g_test_message ("%s: a zero byte after %" G_GSIZE_FORMAT " bytes", path, strlen (contents));
      g_test_fail ();
      return;
    }

  for (line = contents; line != NULL && *line != '\0' && !v.failed; line = next)
    {
      next = strchr (line, '\n');
      if (next != NULL)
        *next++ = '\0';
      v.line++;
      if (*line != '\0')
        tn_vectors_run_line (&v, line, &run);
    }
  tn_vectors_count (&v, &run);
}

/* @n_cases: how many cases the file in tests/vectors/ has. */
static inline void
tn_vectors_run (const char *file, guint n_cases, const TnVectorOp *ops, guint n_ops, gpointer user_data)
{
  const char *folder = g_getenv ("TAILNET_TEST_VECTORS");
  g_autofree char *path = tn_vectors_path (file);

  tn_vectors_run_path (path, folder != NULL && *folder != '\0' ? -1 : (gint64) n_cases, ops, n_ops, user_data);
}

/* --- Members. An absent one is a default (NULL, FALSE, 0); the ones with an object serve nested objects. --- */

static inline JsonNode *
tn_json_member (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node == NULL || JSON_NODE_HOLDS_NULL (node) ? NULL : node;
}

static inline gboolean
tn_json_has (JsonObject *object, const char *name)
{
  return tn_json_member (object, name) != NULL;
}

static inline const char *
tn_json_string (JsonObject *object, const char *name)
{
  JsonNode *node = tn_json_member (object, name);

  return node != NULL ? json_node_get_string (node) : NULL;
}

static inline gboolean
tn_json_bool (JsonObject *object, const char *name)
{
  JsonNode *node = tn_json_member (object, name);

  return node != NULL && json_node_get_boolean (node);
}

/* A number, or a string that holds one, as for times and lifetimes. Exact: json-glib keeps integers as gint64. */
static inline gint64
tn_json_int (JsonObject *object, const char *name)
{
  JsonNode *node = tn_json_member (object, name);

  if (node == NULL)
    return 0;
  return json_node_get_value_type (node) == G_TYPE_STRING ? g_ascii_strtoll (json_node_get_string (node), NULL, 10)
                                                          : json_node_get_int (node);
}

static inline guint64
tn_json_uint (JsonObject *object, const char *name)
{
  JsonNode *node = tn_json_member (object, name);

  if (node == NULL)
    return 0;
  return json_node_get_value_type (node) == G_TYPE_STRING ? g_ascii_strtoull (json_node_get_string (node), NULL, 10)
                                                          : (guint64) json_node_get_int (node);
}

static inline JsonObject *
tn_json_object (JsonObject *object, const char *name)
{
  JsonNode *node = tn_json_member (object, name);

  return node != NULL ? json_node_get_object (node) : NULL;
}

static inline JsonArray *
tn_json_array (JsonObject *object, const char *name)
{
  JsonNode *node = tn_json_member (object, name);

  return node != NULL ? json_node_get_array (node) : NULL;
}

/* NULL when it is absent. A buffer of exactly its size, so that ASan sees a read behind its end; free with g_free(). */
static inline guint8 *
tn_json_hex (JsonObject *object, const char *name, gsize *len)
{
  const char *text = tn_json_string (object, name);
  g_autofree guint8 *bytes = NULL;

  *len = 0;
  if (text == NULL)
    return NULL;
  bytes = tn_hex_parse (text, len);
  g_assert_nonnull (bytes);
  return g_memdup2 (*len > 0 ? bytes : (const guint8 *) "", MAX (*len, 1));
}

static inline void
tn_json_hex_exact (JsonObject *object, const char *name, void *out, gsize len)
{
  const char *text = tn_json_string (object, name);

  g_assert_nonnull (text);
  g_assert_true (tn_hex_decode (text, strlen (text), out, len));
}

#define tn_vector_has(v, name)              tn_json_has ((v)->object, name)
#define tn_vector_string(v, name)           tn_json_string ((v)->object, name)
#define tn_vector_bool(v, name)             tn_json_bool ((v)->object, name)
#define tn_vector_int(v, name)              tn_json_int ((v)->object, name)
#define tn_vector_uint(v, name)             tn_json_uint ((v)->object, name)
#define tn_vector_object(v, name)           tn_json_object ((v)->object, name)
#define tn_vector_array(v, name)            tn_json_array ((v)->object, name)
#define tn_vector_hex(v, name, len)         tn_json_hex ((v)->object, name, len)
#define tn_vector_hex_exact(v, name, out, len) tn_json_hex_exact ((v)->object, name, out, len)

/* --- Checks: actual value against a member of @object, or against a value with a name for the report --- */

static inline void
tn_vector_same_bool (TnVector *v, const char *name, gboolean actual, gboolean expected)
{
  if (!actual != !expected)
    tn_vector_fail (v, "%s is %s, expected %s", name, actual ? "true" : "false", expected ? "true" : "false");
}

static inline void
tn_vector_same_int (TnVector *v, const char *name, gint64 actual, gint64 expected)
{
  if (actual != expected)
    tn_vector_fail (v, "%s is %" G_GINT64_FORMAT ", expected %" G_GINT64_FORMAT, name, actual, expected);
}

static inline void
tn_vector_same_uint (TnVector *v, const char *name, guint64 actual, guint64 expected)
{
  if (actual != expected)
    tn_vector_fail (v, "%s is %" G_GUINT64_FORMAT ", expected %" G_GUINT64_FORMAT, name, actual, expected);
}

static inline void
tn_vector_same_string (TnVector *v, const char *name, const char *actual, const char *expected)
{
  if (g_strcmp0 (actual, expected) != 0)
    tn_vector_fail (v, "%s is %s, expected %s", name, actual != NULL ? actual : "(none)", expected != NULL ? expected : "(none)");
}

static inline void
tn_vector_same_hex (TnVector *v, const char *name, const void *actual, gsize len, const char *expected)
{
  g_autofree char *text = tn_hex_dup (actual, len);

  if (expected == NULL || g_ascii_strcasecmp (text, expected) != 0)
    tn_vector_fail (v, "%s is\n  %s, expected\n  %s", name, text, expected != NULL ? expected : "(none)");
}

/* Order of members does not matter. */
static inline void
tn_vector_same_json (TnVector *v, const char *name, JsonNode *actual, JsonNode *expected)
{
  g_autofree char *a = NULL;
  g_autofree char *e = NULL;

  if (actual == expected || (actual != NULL && expected != NULL && json_node_equal (actual, expected)))
    return;
  a = actual != NULL ? json_to_string (actual, FALSE) : NULL;
  e = expected != NULL ? json_to_string (expected, FALSE) : NULL;
  tn_vector_fail (v, "%s is\n  %s, expected\n  %s", name, a != NULL ? a : "(none)", e != NULL ? e : "(none)");
}

#define tn_vector_check_bool(v, name, actual)     tn_vector_same_bool (v, name, actual, tn_vector_bool (v, name))
#define tn_vector_check_int(v, name, actual)      tn_vector_same_int (v, name, actual, tn_vector_int (v, name))
#define tn_vector_check_uint(v, name, actual)     tn_vector_same_uint (v, name, actual, tn_vector_uint (v, name))
#define tn_vector_check_string(v, name, actual)   tn_vector_same_string (v, name, actual, tn_vector_string (v, name))
#define tn_vector_check_hex(v, name, bytes, len)  tn_vector_same_hex (v, name, bytes, len, tn_vector_string (v, name))
#define tn_vector_check_json(v, name, node)       tn_vector_same_json (v, name, node, tn_json_member ((v)->object, name))
