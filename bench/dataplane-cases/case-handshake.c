/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "cases.h"
#include "initiations.h"

#define N 500

typedef struct
{
  Responder  responder;
  guint8    *spoilt;
} Handshakes;

/* Handshakes a second: each round has a responder of its own, so that nothing is a replay. */
static double
answer (gpointer data)
{
  Responder responder;
  g_autofree guint8 *initiations = NULL;
  gint64 begin_us, end_us;

  responder_init (&responder);
  initiations = initiations_new (&responder, N + 1, TRUE);
  responder_take (&responder, initiations);      /* the peer is known from then on, with what does not change */
  begin_us = g_get_monotonic_time ();
  for (guint i = 1; i <= N; i++)
    responder_take (&responder, initiations + i * INITIATION_LEN);
  end_us = g_get_monotonic_time ();
  if (responder.n_sent != N + 1)
    g_error ("%u answers to %u initiations", responder.n_sent, N + 1);
  responder_clear (&responder);
  return N * 1e6 / (double) (end_us - begin_us);
}

static void
refuse (gpointer data)
{
  Handshakes *handshakes = data;

  responder_take (&handshakes->responder, handshakes->spoilt);
}

static double
time_refusal (gpointer data)
{
  return cases_time (refuse, data);
}

void
cases_handshake (void)
{
  static const Case handshake = { "handshake", "1/s", TRUE, "bar" };
  static const Case mac1 = { "handshake/mac1", "ns", FALSE, "bar" };
  g_autofree Handshakes *handshakes = g_new0 (Handshakes, 1);

  responder_init (&handshakes->responder);
  handshakes->spoilt = initiations_new (&handshakes->responder, 1, TRUE);
  handshakes->spoilt[INITIATION_LEN - 20] ^= 1;      /* in mac1 */
  refuse (handshakes);
  if (tn_tunnel_get_drops (handshakes->responder.tunnel, TN_TUNNEL_DROP_MAC1) != 1)
    g_error ("a spoilt MAC was not refused for that");

  cases_measure (&handshake, answer, NULL, 6000, handshakes);
  cases_measure (&mac1, time_refusal, NULL, 500, handshakes);

  g_free (handshakes->spoilt);
  responder_clear (&handshakes->responder);
}
