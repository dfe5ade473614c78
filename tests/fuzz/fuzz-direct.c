/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>
#include <string.h>

#include "tn-direct.h"
#include "tn-reader.h"

/* Addresses, pings, answers and time in any order: what is used is what answered, and time goes on. */

#define N_TXIDS 64

typedef struct
{
  TnDirect      *direct;
  gint64         now_us;
  TnDiscoTxid    txids[N_TXIDS];
  TnPathAddress  pinged[N_TXIDS];
  guint          n_txids;
} State;

static TnPathAddress
read_address (TnReader *reader)
{
  TnPathAddress address = { .kind = TN_PATH_ADDRESS_UDP, .udp = { .vni = TN_PATH_NO_VNI } };
  guint8 which = 0;
  guint16 port = 0;
  const guint8 *bytes;

  if (tn_reader_u8 (reader, &which) && tn_reader_u16be (reader, &port) && tn_reader_bytes (reader, (which & 1) != 0 ? 16 : 4, &bytes))
    address.udp.endpoint = (TnIpEndpoint) { tn_ip_address_from_bytes (bytes, (which & 1) != 0 ? 16 : 4), port };
  return address;
}

static void
ping (State *state)
{
  for (;;)
    {
      guint slot = state->n_txids % N_TXIDS;
      TnDiscoTxid txid = { { 0 } };

      memcpy (txid.bytes, &state->n_txids, sizeof state->n_txids);
      if (!tn_direct_next_ping (state->direct, &txid, state->now_us, &state->pinged[slot]))
        return;
      g_assert_true (tn_direct_is_usable (&state->pinged[slot].udp.endpoint));
      state->txids[slot] = txid;
      state->n_txids++;
    }
}

static void
set_endpoints (State    *state,
               TnReader *reader)
{
  TnIpEndpoint endpoints[24];
  guint8 n = 0;

  if (!tn_reader_u8 (reader, &n))
    return;
  n %= G_N_ELEMENTS (endpoints);
  for (guint i = 0; i < n; i++)
    endpoints[i] = read_address (reader).udp.endpoint;
  tn_direct_set_endpoints (state->direct, endpoints, n);
}

static void
step (State    *state,
      guint8    what,
      TnReader *reader)
{
  TnPathAddress address;
  guint16 number = 0;

  switch (what % 7)
    {
    case 0:
      set_endpoints (state, reader);
      break;
    case 1:
      address = read_address (reader);
      tn_direct_add_seen (state->direct, &address, state->now_us);
      break;
    case 2:
      if (tn_direct_sent (state->direct, state->now_us))
        ping (state);
      break;
    case 3:
      address = read_address (reader);
      tn_direct_heard (state->direct, &address, state->now_us);
      break;
    case 4:
      if (tn_reader_u16be (reader, &number) && state->n_txids > 0)
        tn_direct_pong (state->direct, &state->txids[number % MIN (state->n_txids, N_TXIDS)], state->now_us);
      break;
    case 5:
      tn_direct_reset (state->direct);
      break;
    default:
      if (tn_reader_u16be (reader, &number))
        state->now_us += number * G_GINT64_CONSTANT (1000);
      if (tn_direct_deadline (state->direct, state->now_us) <= state->now_us)
        {
          ping (state);
          tn_direct_get_path (state->direct, state->now_us);
          g_assert_cmpint (tn_direct_deadline (state->direct, state->now_us), >, state->now_us);      /* or it would turn on the spot */
        }
      break;
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  TnReader reader = { data, size };
  State state = { .direct = tn_direct_new (), .now_us = G_GINT64_CONSTANT (1000) * G_USEC_PER_SEC };
  guint8 what;

  while (tn_reader_u8 (&reader, &what))
    {
      const TnPathAddress *path;

      step (&state, what, &reader);
      path = tn_direct_get_path (state.direct, state.now_us);
      if (path != NULL)
        {
          g_assert_true (tn_direct_is_usable (&path->udp.endpoint));
          g_assert_cmpint (tn_direct_get_latency_us (state.direct), >=, 0);
          g_assert_cmpuint (state.n_txids, >, 0);
        }
    }
  tn_direct_free (state.direct);
  return 0;
}
