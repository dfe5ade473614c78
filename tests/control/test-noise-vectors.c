/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-noise.h"
#include "vectors.h"

static void
get_keys (TnVector            *v,
          TnMachinePrivateKey *machine,
          TnMachinePublicKey  *control,
          guint8               client_ephemeral[32])
{
  tn_vector_hex_exact (v, "machine_private", machine->bytes, 32);
  tn_vector_hex_exact (v, "control_public", control->bytes, 32);
  tn_vector_hex_exact (v, "client_ephemeral", client_ephemeral, 32);
}

static void
check_session (TnVector       *v,
               const char     *name,
               TnNoiseSession *session,
               gboolean        client)
{
  if (!tn_vector_has (v, "key_c2s"))
    return;
  tn_vector_same_hex (v, name, session->handshake_hash, 32, tn_vector_string (v, "handshake_hash"));
  tn_vector_check_hex (v, "key_c2s", client ? session->send.key : session->receive.key, 32);
  tn_vector_check_hex (v, "key_s2c", client ? session->receive.key : session->send.key, 32);
}

/* What is in @wire, record for record, as a receiver sees it that gets the bytes all at once. */
static TnNoiseVerdict
open_all (TnNoiseCipher *cipher,
          TnAead        *aead,
          guint8        *wire,
          gsize          len,
          GByteArray    *clear)
{
  for (;;)
    {
      gsize used, n;
      guint8 *data;
      g_autofree guint8 *exact = g_memdup2 (wire, len);
      TnNoiseVerdict verdict = tn_noise_open (cipher, aead, exact, len, &used, &data, &n);

      if (verdict != TN_NOISE_OPENED)
        return verdict;
      g_byte_array_append (clear, data, (guint) n);
      wire += used;
      len -= used;
    }
}

static void
check_records (TnVector       *v,
               TnNoiseSession *client,
               TnNoiseSession *server)
{
  g_autoptr (TnAead) aead = tn_aead_new ();
  JsonArray *records = tn_vector_array (v, "records");

  for (guint i = 0; records != NULL && i < json_array_get_length (records); i++)
    {
      JsonObject *record = json_array_get_object_element (records, i);
      gboolean up = g_strcmp0 (tn_json_string (record, "dir"), "c2s") == 0;
      g_autoptr (GByteArray) wire = g_byte_array_new ();
      g_autoptr (GByteArray) opened = g_byte_array_new ();
      gsize len;
      g_autofree guint8 *clear = tn_json_hex (record, "clear", &len);

      if (!tn_noise_seal (up ? &client->send : &server->send, aead, clear, len, wire))
        tn_vector_fail (v, "record %u cannot be sealed", i);
      tn_vector_same_hex (v, "wire", wire->data, wire->len, tn_json_string (record, "wire"));
      if (open_all (up ? &server->receive : &client->receive, aead, wire->data, wire->len, opened) != TN_NOISE_INCOMPLETE)
        tn_vector_fail (v, "record %u cannot be opened", i);
      tn_vector_same_hex (v, "clear", opened->data, opened->len, tn_json_string (record, "clear"));
    }
}

static void
test_session (TnVector *v)
{
  g_auto (TnNoiseHandshake) handshake = { 0 };
  g_auto (TnNoiseSession) client = { 0 };
  g_auto (TnNoiseSession) server = { 0 };
  g_autoptr (GError) error = NULL;
  TnMachinePrivateKey machine_private, control_private;
  TnMachinePublicKey control_public, machine_public;
  guint8 client_ephemeral[32], server_ephemeral[32];
  guint8 initiation[TN_NOISE_INITIATION_LEN], response[TN_NOISE_RESPONSE_LEN];
  guint16 version;

  get_keys (v, &machine_private, &control_public, client_ephemeral);
  tn_vector_hex_exact (v, "control_private", control_private.bytes, 32);
  tn_vector_hex_exact (v, "server_ephemeral", server_ephemeral, 32);

  if (!tn_noise_initiate (&handshake, &machine_private, &control_public, (guint16) tn_vector_uint (v, "version"), client_ephemeral,
                          initiation, &error))
    tn_vector_fail (v, "no initiation: %s", error->message);
  tn_vector_check_hex (v, "initiation", initiation, sizeof initiation);
  if (!tn_noise_respond (&control_private, initiation, sizeof initiation, server_ephemeral, response, &server, &machine_public, &version,
                         NULL, &error))
    {
      tn_vector_fail (v, "no response: %s", error->message);
      return;
    }
  tn_vector_check_hex (v, "response", response, sizeof response);
  tn_vector_check_hex (v, "machine_public", machine_public.bytes, 32);
  if (!tn_noise_finish (&handshake, response, sizeof response, &client, &error))
    {
      tn_vector_fail (v, "response refused: %s", error->message);
      return;
    }
  check_session (v, "handshake_hash", &client, TRUE);
  check_session (v, "handshake_hash", &server, FALSE);
  check_records (v, &client, &server);
}

static gboolean
client_finish (const TnNoiseHandshake  *handshake,
               const guint8            *stream,
               gsize                    len,
               TnNoiseSession          *session,
               GError                 **error)
{
  gsize need;

  if (len < TN_NOISE_HEADER_LEN)
    return FALSE;
  need = tn_noise_response_len (stream, error);
  return need != 0 && need <= len && tn_noise_finish (handshake, stream, need, session, error);
}

static void
test_client_reads (TnVector *v)
{
  g_auto (TnNoiseHandshake) handshake = { 0 };
  g_auto (TnNoiseSession) session = { 0 };
  g_autoptr (GError) error = NULL;
  TnMachinePrivateKey machine_private;
  TnMachinePublicKey control_public;
  guint8 client_ephemeral[32], initiation[TN_NOISE_INITIATION_LEN];
  gsize len;
  g_autofree guint8 *stream = tn_vector_hex (v, "response", &len);

  get_keys (v, &machine_private, &control_public, client_ephemeral);
  if (!tn_noise_initiate (&handshake, &machine_private, &control_public, (guint16) tn_vector_uint (v, "version"), client_ephemeral,
                          initiation, &error))
    tn_vector_fail (v, "no initiation: %s", error->message);
  tn_vector_check_hex (v, "initiation", initiation, sizeof initiation);
  tn_vector_check_bool (v, "ok", client_finish (&handshake, stream, len, &session, &error));
  if (tn_vector_has (v, "text") && (error == NULL || strstr (error->message, tn_vector_string (v, "text")) == NULL))
    tn_vector_fail (v, "error does not hold the server's words");
}

static void
test_server_reads (TnVector *v)
{
  g_auto (TnNoiseSession) session = { 0 };
  g_autoptr (GByteArray) reply = g_byte_array_new ();
  TnMachinePrivateKey control_private;
  TnMachinePublicKey peer;
  guint8 ephemeral[32], response[TN_NOISE_RESPONSE_LEN];
  guint16 version;
  gsize len, sent_len;
  g_autofree guint8 *initiation = tn_vector_hex (v, "initiation", &len);
  g_autofree guint8 *sent = tn_vector_hex (v, "sent", &sent_len);
  gboolean ok;

  if (tn_vector_bool (v, "from_stream"))
    len = MIN (len, TN_NOISE_INITIATION_LEN);
  tn_vector_hex_exact (v, "control_private", control_private.bytes, 32);
  tn_vector_hex_exact (v, "server_ephemeral", ephemeral, 32);
  ok = tn_noise_respond (&control_private, initiation, len, ephemeral, response, &session, &peer, &version, reply, NULL);
  tn_vector_check_bool (v, "ok", ok);
  if (ok && !v->failed)
    {
      tn_vector_check_hex (v, "sent", response, sizeof response);
      tn_vector_check_hex (v, "peer", peer.bytes, 32);
      tn_vector_check_uint (v, "peer_version", version);
    }
  else if (!ok && tn_vector_bool (v, "from_stream") && sent_len == 0)
    {
      ;     /* the stream ended inside the message: whoever reads it does not get this far */
    }
  else if (!ok)
    {
      /* The words are free, whether there are any is not. */
      tn_vector_same_uint (v, "first byte sent", reply->len > 0 ? reply->data[0] : 0, sent_len > 0 ? sent[0] : 0);
    }
}

static const char *
end_of (TnNoiseVerdict verdict)
{
  switch (verdict)
    {
    case TN_NOISE_INCOMPLETE: return "eof";
    case TN_NOISE_TOO_BIG: return "too_big";
    case TN_NOISE_BAD_TYPE: return "bad_type";
    case TN_NOISE_BAD_TAG: return "decrypt";
    case TN_NOISE_EXHAUSTED: return "exhausted";
    case TN_NOISE_OPENED: break;
    }
  return "opened";
}

static void
test_read (TnVector *v)
{
  g_autoptr (TnAead) aead = tn_aead_new ();
  g_autoptr (GByteArray) clear = g_byte_array_new ();
  TnNoiseCipher cipher = { .counter = tn_vector_uint (v, "counter") };
  gsize len;
  g_autofree guint8 *wire = tn_vector_hex (v, "wire", &len);
  TnNoiseVerdict verdict;

  tn_vector_hex_exact (v, "key", cipher.key, 32);
  verdict = open_all (&cipher, aead, wire, len, clear);
  tn_vector_check_hex (v, "clear", clear->data, clear->len);
  if ((verdict == TN_NOISE_INCOMPLETE) != (g_strcmp0 (tn_vector_string (v, "end"), "eof") == 0))
    tn_vector_same_string (v, "end", end_of (verdict), tn_vector_string (v, "end"));
}

static void
test_write (TnVector *v)
{
  g_autoptr (TnAead) aead = tn_aead_new ();
  TnNoiseCipher cipher = { .counter = tn_vector_uint (v, "counter") };
  JsonArray *writes = tn_vector_array (v, "writes");

  tn_vector_hex_exact (v, "key", cipher.key, 32);
  for (guint i = 0; i < json_array_get_length (writes); i++)
    {
      JsonObject *write = json_array_get_object_element (writes, i);
      g_autoptr (GByteArray) wire = g_byte_array_new ();
      gsize len;
      g_autofree guint8 *clear = tn_json_hex (write, "clear", &len);

      tn_vector_same_bool (v, "error", !tn_noise_seal (&cipher, aead, clear, len, wire), tn_json_has (write, "error"));
      if (!tn_json_has (write, "error"))
        tn_vector_same_hex (v, "wire", wire->data, wire->len, tn_json_string (write, "wire"));
    }
}

static void
test_vectors (void)
{
  static const TnVectorOp ops[] = {
    { "session", test_session },
    { "client_reads", test_client_reads },
    { "server_reads", test_server_reads },
    { "read", test_read },
    { "write", test_write },
  };

  tn_vectors_run ("noise.jsonl", 281, ops, G_N_ELEMENTS (ops), NULL);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/control/noise/vectors", test_vectors);
  return g_test_run ();
}
