/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-testkit-control-private.h"

/* TnTestkitControl: saying what a test wants said. */

typedef struct
{
  TnTestkitStage     stage;
  guint              status;
  const char *const *headers;
  GBytes            *body;
  const char        *json;
  guint              n;
} ScriptCall;

static void
script_answer (TnTestkitServer *server,
               gpointer         data)
{
  const ScriptCall *call = data;

  tn_testkit_server_script (server, call->stage, call->status, call->headers, call->body);
}

static guint
count (const char *const *texts)
{
  guint n = 0;

  while (texts[n] != NULL)
    n++;
  return n;
}

/**
 * tn_testkit_control_script_answer:
 * @self: a server
 * @stage: where
 * @status: HTTP status; 0 for the answer that the server would give by itself
 * @headers: (nullable) (array zero-terminated=1): names and values of headers by turns, in lower case
 * @body: (nullable): the body
 *
 * Lays down the answer to a coming request of @stage. Answers of a stage are given in the order in which they were laid down, one a
 * request, and ahead of any fault; where a request is of two stages, those of the narrower one come first. The answer ends the
 * request, whatever the server would have done with it: it changes nothing that the server knows.
 *
 * Messages in a body for a map stream have their length in front, four bytes with the least significant one first.
 *
 * At %TN_TESTKIT_STAGE_UPGRADE, status 101 lets the upgrade go on: then @body is what precedes HTTP/2 in the encrypted connection, and
 * there is nothing of the kind without one.
 *
 * Since: 0.1
 */
void
tn_testkit_control_script_answer (TnTestkitControl   *self,
                                  TnTestkitStage      stage,
                                  guint               status,
                                  const char * const *headers,
                                  GBytes             *body)
{
  ScriptCall call = { .stage = stage, .status = status, .headers = headers, .body = body };

  g_return_if_fail (TN_TESTKIT_IS_CONTROL (self));
  g_return_if_fail (stage <= TN_TESTKIT_STAGE_ID_TOKEN);
  g_return_if_fail (status == 0 || (status >= 100 && status <= 999));
  g_return_if_fail (headers == NULL || count (headers) % 2 == 0);

  tn_testkit_control_invoke (self, script_answer, &call);
}

static void
script_message (TnTestkitServer *server,
                gpointer         data)
{
  tn_testkit_server_add_first_message (server, ((ScriptCall *) data)->json);
}

/**
 * tn_testkit_control_script_message:
 * @self: a server
 * @json: a message of a map stream
 *
 * Lets the next map stream begin with @json, ahead of the whole map. Several calls add up, all for the same stream.
 *
 * For messages behind the map there is [method@TailnetTestkit.Control.send_map_response].
 *
 * Since: 0.1
 */
void
tn_testkit_control_script_message (TnTestkitControl *self,
                                   const char       *json)
{
  ScriptCall call = { .json = json };

  g_return_if_fail (TN_TESTKIT_IS_CONTROL (self));
  g_return_if_fail (json != NULL);

  tn_testkit_control_invoke (self, script_message, &call);
}

static void
hold (TnTestkitServer *server,
      gpointer         data)
{
  tn_testkit_server_hold (server, ((ScriptCall *) data)->stage);
}

/**
 * tn_testkit_control_hold:
 * @self: a server
 * @stage: %TN_TESTKIT_STAGE_REGISTER or one of the map
 *
 * Leaves requests of @stage that come from now on without an answer, until [method@TailnetTestkit.Control.release]. That is how a test
 * looks at a node that waits, for as long as it likes.
 *
 * Since: 0.1
 */
void
tn_testkit_control_hold (TnTestkitControl *self,
                         TnTestkitStage    stage)
{
  ScriptCall call = { .stage = stage };

  g_return_if_fail (TN_TESTKIT_IS_CONTROL (self));
  g_return_if_fail (stage >= TN_TESTKIT_STAGE_REGISTER && stage <= TN_TESTKIT_STAGE_ID_TOKEN);

  tn_testkit_control_invoke (self, hold, &call);
}

static void
release (TnTestkitServer *server,
         gpointer         data)
{
  ScriptCall *call = data;

  call->n = tn_testkit_server_release (server, call->stage);
}

/**
 * tn_testkit_control_release:
 * @self: a server
 * @stage: as for [method@TailnetTestkit.Control.hold]
 *
 * Answers the requests that were held, in the order in which they came, and holds no more.
 *
 * Returns: how many there were
 *
 * Since: 0.1
 */
guint
tn_testkit_control_release (TnTestkitControl *self,
                            TnTestkitStage    stage)
{
  ScriptCall call = { .stage = stage };

  g_return_val_if_fail (TN_TESTKIT_IS_CONTROL (self), 0);
  g_return_val_if_fail (stage >= TN_TESTKIT_STAGE_REGISTER && stage <= TN_TESTKIT_STAGE_ID_TOKEN, 0);

  tn_testkit_control_invoke (self, release, &call);
  return call.n;
}

static void
rotate_key (TnTestkitServer *server,
            gpointer         data)
{
  tn_testkit_server_rotate_key (server);
}

/**
 * tn_testkit_control_rotate_key:
 * @self: a server
 *
 * Gives the server another key of its own, and closes every connection. Clients with the old one are hung up on, which is all that
 * they are told.
 *
 * Since: 0.1
 */
void
tn_testkit_control_rotate_key (TnTestkitControl *self)
{
  g_return_if_fail (TN_TESTKIT_IS_CONTROL (self));

  tn_testkit_control_invoke (self, rotate_key, NULL);
}
