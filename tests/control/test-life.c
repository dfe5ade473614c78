/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "trap-kit.h"
#include "tn-error.h"

/* From the first login to the last logout: what a server, or the program in a callback, may do to a client meanwhile. */

#define REGISTER "/machine/register"
#define MAP "/machine/map"

/* --- Updates --- */

static gboolean
is_told (Kit *kit)
{
  return kit->client->known_generation == kit->client->wanted_generation;
}

static gboolean
is_fine (Kit *kit)
{
  return tn_control_client_get_error (kit->client) == NULL;
}

/* The map goes on, and what was wrong is over once the next one is answered. */
static void
test_update_unanswered (Kit *kit, gconstpointer data)
{
  kit->update_max_us = 1000;
  tn_testkit_control_inject_fault (kit->control, TN_TESTKIT_STAGE_UPDATE, TN_TESTKIT_FAULT_HANG, 1);
  kit_start (kit, TRUE);
  kit->wanted = 1;
  wait_for ("an error", kit_has_errors, kit);
  g_assert_error ((GError *) g_ptr_array_index (kit->errors, 0), G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  kit->client->update_max_us = 60 * G_USEC_PER_SEC;
  wait_for ("the server to know", is_told, kit);
  wait_for ("the map", kit_is_running, kit);
  wait_for ("the end of the error", is_fine, kit);
  g_assert_cmpuint (kit->n_maps, ==, 1);
  g_assert_cmpuint (kit_count (kit, MAP, TRUE), ==, 1);
}

/* One that waits is worth nothing after another login: it is said anew. */
static void
test_update_and_login (Kit *kit, gconstpointer by_server)
{
  tn_testkit_control_inject_fault (kit->control, TN_TESTKIT_STAGE_UPDATE, TN_TESTKIT_FAULT_HANG, 1);
  kit_join (kit);
  kit_wait_requests (kit, MAP, FALSE, 1);
  g_assert_nonnull (kit->client->update_stream);
  if (by_server != NULL)
    {
      kit->client->registered = FALSE;      /* as when it refuses maps */
      tn_control_client_advance (kit->client);
    }
  else
    {
      tn_control_client_login (kit->client, NULL);
      g_assert_null (kit->client->update_stream);
    }
  wait_for ("the server to know", is_told, kit);
  g_assert_cmpuint (kit_count (kit, REGISTER, FALSE), ==, 2);
}

#define ADD_WITH(path, data, func) g_test_add ("/control/life/" path, Kit, data, kit_set_up, func, kit_tear_down)
#define ADD(path, func) ADD_WITH (path, NULL, func)

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD ("update/unanswered", test_update_unanswered);
  ADD ("update/login", test_update_and_login);
  ADD_WITH ("update/registration", "by the server", test_update_and_login);

  return g_test_run ();
}
