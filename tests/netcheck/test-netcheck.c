/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libsoup/soup.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tn-netcheck.h"
#include "tn-stun.h"

/* --- A STUN server on loopback that takes its time --- */

typedef struct
{
  GSocket *socket;
  GSource *source;
  guint    delay_ms;
  guint16  shift;           /* added to the ports it tells */
  guint    n_requests;
} Server;

typedef struct
{
  GSocket        *socket;
  GSocketAddress *to;
  guint8          response[TN_STUN_RESPONSE_MAX];
  gsize           len;
} Answer;

static gboolean
answer_cb (gpointer user_data)
{
  Answer *answer = user_data;

  g_socket_send_to (answer->socket, answer->to, (const char *) answer->response, answer->len, NULL, NULL);
  return G_SOURCE_REMOVE;
}

static void
answer_free (gpointer user_data)
{
  Answer *answer = user_data;

  g_object_unref (answer->socket);
  g_object_unref (answer->to);
  g_free (answer);
}

static gboolean
request_cb (GSocket *socket, GIOCondition condition, gpointer user_data)
{
  Server *server = user_data;
  g_autoptr (GSocketAddress) from = NULL;
  char request[256];
  gssize len = g_socket_receive_from (socket, &from, request, sizeof request, NULL, NULL);
  TnStunTxid txid;
  TnIpEndpoint source;
  Answer *answer;

  if (len < 0)
    return G_SOURCE_CONTINUE;
  g_assert_true (tn_stun_parse_request ((const guint8 *) request, (gsize) len, &txid));
  server->n_requests++;
  source.address = tn_ip_address_from_inet (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (from)));
  source.port = (guint16) (g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (from)) + server->shift);
  answer = g_new (Answer, 1);
  answer->socket = g_object_ref (socket);
  answer->to = g_steal_pointer (&from);
  answer->len = tn_stun_write_response (&txid, &source, answer->response);
  g_timeout_add_full (G_PRIORITY_DEFAULT, server->delay_ms, answer_cb, answer, answer_free);
  return G_SOURCE_CONTINUE;
}

static guint16
server_start (Server *server, guint delay_ms)
{
  g_autoptr (GSocketAddress) any = g_inet_socket_address_new_from_string ("127.0.0.1", 0);
  g_autoptr (GSocketAddress) local = NULL;

  memset (server, 0, sizeof *server);
  server->delay_ms = delay_ms;
  server->socket = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP, NULL);
  g_assert_true (g_socket_bind (server->socket, any, FALSE, NULL));
  server->source = g_socket_create_source (server->socket, G_IO_IN, NULL);
  g_source_set_callback (server->source, G_SOURCE_FUNC (request_cb), server, NULL);
  g_source_attach (server->source, NULL);
  local = g_socket_get_local_address (server->socket, NULL);
  return g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (local));
}

static void
server_stop (Server *server)
{
  g_source_destroy (server->source);
  g_source_unref (server->source);
  g_object_unref (server->socket);
}

/* --- The prober and what it says --- */

typedef struct
{
  TnNetcheck       *netcheck;
  guint             home;
  guint             n_homes;
  guint             n_results;
  TnNetcheckResult *result;
} Fixture;

static void
home_cb (gpointer user_data, guint region)
{
  Fixture *f = user_data;

  f->home = region;
  f->n_homes++;
}

static void
result_cb (gpointer user_data, TnNetcheckResult *result)
{
  Fixture *f = user_data;

  f->n_results++;
  g_clear_pointer (&f->result, tn_netcheck_result_unref);
  f->result = tn_netcheck_result_ref (result);
}

static void
set_up (Fixture *f, gconstpointer user_data)
{
  static const TnNetcheckHooks hooks = { home_cb, result_cb, NULL };

  f->netcheck = tn_netcheck_new (&hooks, f);
}

static void
tear_down (Fixture *f, gconstpointer user_data)
{
  g_clear_pointer (&f->netcheck, tn_netcheck_free);
  g_clear_pointer (&f->result, tn_netcheck_result_unref);
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static void
wait_for_results (Fixture *f, guint n)
{
  while (f->n_results < n)
    g_main_context_iteration (NULL, TRUE);
}

static TnRelayNode *
add_region (TnRelayMap *map, guint id, guint16 stun_port)
{
  TnRelayRegion *region = tn_relay_region_new (id, "r", "Region");
  TnRelayNode *node = tn_relay_node_new ("n", "127.0.0.1");

  node->ipv4 = g_strdup ("127.0.0.1");
  node->ipv6 = g_strdup ("none");
  node->stun_port = stun_port != 0 ? stun_port : -1;
  g_ptr_array_add (region->nodes, node);
  tn_relay_map_take_region (map, region);
  return node;
}

static void
test_single_region (Fixture *f, gconstpointer user_data)
{
  g_autoptr (TnRelayMap) map = tn_relay_map_new ();
  g_autoptr (JsonNode) json = NULL;
  const TnNetcheckRegion *region;
  Server server;

  add_region (map, 7, server_start (&server, 0));
  tn_netcheck_set_relay_map (f->netcheck, map);
  g_assert_cmpuint (f->home, ==, 7);                       /* before anything was measured */
  g_assert_cmpuint (tn_netcheck_get_home (f->netcheck), ==, 7);
  g_assert_null (tn_netcheck_get_last (f->netcheck));

  wait_for_results (f, 1);
  g_assert_cmpuint (f->n_homes, ==, 1);
  g_assert_true (f->result->udp && f->result->ipv4 && f->result->ipv4_can_send);
  g_assert_false (f->result->ipv6);
  g_assert_cmpuint (f->result->home, ==, 7);
  g_assert_cmpint (f->result->mapping_varies, ==, TN_NETCHECK_UNKNOWN);
  g_assert_cmpuint (f->result->global_ipv4.address.version, ==, 4);
  region = tn_netcheck_result_lookup (f->result, 7);
  g_assert_nonnull (region);
  g_assert_cmpint (region->latency_ns, >, 0);
  g_assert_cmpint (region->latency_ns, ==, region->ipv4_latency_ns);
  g_assert_true (tn_netcheck_get_last (f->netcheck) == f->result);

  json = tn_netcheck_result_to_json (f->result);
  g_assert_true (json_object_get_boolean_member (json_node_get_object (json), "UDP"));
  g_assert_cmpint (json_object_get_int_member (json_object_get_object_member (json_node_get_object (json), "RegionLatency"), "7"),
                   ==, region->latency_ns);
  server_stop (&server);
}

static void
test_nearest (Fixture *f, gconstpointer user_data)
{
  g_autoptr (TnRelayMap) map = tn_relay_map_new ();
  Server slow, fast;

  add_region (map, 1, server_start (&slow, 400));
  add_region (map, 2, server_start (&fast, 0));
  tn_netcheck_set_relay_map (f->netcheck, map);
  g_assert_cmpuint (f->home, ==, 0);
  wait_for_results (f, 1);
  g_assert_cmpuint (f->home, ==, 2);
  g_assert_cmpuint (f->result->regions->len, ==, 2);
  g_assert_cmpint (f->result->mapping_varies, ==, TN_NETCHECK_NO);
  server_stop (&slow);
  server_stop (&fast);
}

static void
test_mapping_varies (Fixture *f, gconstpointer user_data)
{
  g_autoptr (TnRelayMap) map = tn_relay_map_new ();
  Server a, b;

  add_region (map, 1, server_start (&a, 0));
  add_region (map, 2, server_start (&b, 0));
  b.shift = 1;
  tn_netcheck_set_relay_map (f->netcheck, map);
  wait_for_results (f, 1);
  g_assert_cmpint (f->result->mapping_varies, ==, TN_NETCHECK_YES);
  server_stop (&a);
  server_stop (&b);
}

/* Requests while one runs are one more run. */
static void
test_coalesced (Fixture *f, gconstpointer user_data)
{
  g_autoptr (TnRelayMap) map = tn_relay_map_new ();
  Server server;

  add_region (map, 1, server_start (&server, 0));
  tn_netcheck_set_relay_map (f->netcheck, map);
  for (guint i = 0; i < 5; i++)
    tn_netcheck_run (f->netcheck, FALSE);
  wait_for_results (f, 2);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (f->n_results, ==, 2);
  tn_netcheck_run (f->netcheck, TRUE);
  wait_for_results (f, 3);
  server_stop (&server);
}

/* The map changes or the prober goes while a measurement runs; nothing of it is heard any more. */
static void
test_stopped (Fixture *f, gconstpointer user_data)
{
  g_autoptr (TnRelayMap) first = tn_relay_map_new ();
  g_autoptr (TnRelayMap) second = tn_relay_map_new ();
  Server server;
  guint16 port = server_start (&server, 0);
  TnRelayNode *node;

  node = add_region (first, 1, port);
  g_clear_pointer (&node->ipv4, g_free);
  g_free (node->host_name);
  node->host_name = g_strdup ("localhost");                /* a name: a lookup will be under way */
  add_region (second, 2, port);
  tn_netcheck_set_relay_map (f->netcheck, first);
  g_assert_cmpuint (f->home, ==, 1);
  g_main_context_iteration (NULL, FALSE);
  tn_netcheck_set_relay_map (f->netcheck, second);
  g_assert_cmpuint (f->home, ==, 2);
  wait_for_results (f, 1);
  g_assert_nonnull (tn_netcheck_result_lookup (f->result, 2));
  g_assert_null (tn_netcheck_result_lookup (f->result, 1));

  tn_netcheck_run (f->netcheck, FALSE);
  tn_netcheck_set_relay_map (f->netcheck, NULL);
  g_assert_cmpuint (f->home, ==, 0);
  tn_netcheck_run (f->netcheck, FALSE);
  tn_netcheck_set_relay_map (f->netcheck, first);
  g_main_context_iteration (NULL, FALSE);
  g_clear_pointer (&f->netcheck, tn_netcheck_free);
  g_assert_cmpuint (f->n_results, ==, 1);
  server_stop (&server);
}

/* --- Without UDP --- */

typedef struct
{
  SoupServer      *server;
  GTlsCertificate *certificate;
  guint16          port;
  guint            status;
} Https;

/* A fresh key and a self-signed certificate that fits no name. */
static GTlsCertificate *
make_certificate (void)
{
  EVP_PKEY *key = EVP_PKEY_Q_keygen (NULL, NULL, "EC", "P-256");
  X509 *x509 = X509_new ();
  BIO *bio = BIO_new (BIO_s_mem ());
  GTlsCertificate *certificate;
  g_autoptr (GError) error = NULL;
  char *pem;
  long len;

  X509_set_version (x509, 2);
  ASN1_INTEGER_set (X509_get_serialNumber (x509), 1);
  X509_gmtime_adj (X509_getm_notBefore (x509), -3600);
  X509_gmtime_adj (X509_getm_notAfter (x509), 3600);
  X509_set_pubkey (x509, key);
  X509_NAME_add_entry_by_txt (X509_get_subject_name (x509), "CN", MBSTRING_ASC, (const guint8 *) "relay.example", -1, -1, 0);
  X509_set_issuer_name (x509, X509_get_subject_name (x509));
  g_assert_cmpint (X509_sign (x509, key, EVP_sha256 ()), >, 0);
  g_assert_cmpint (PEM_write_bio_X509 (bio, x509), ==, 1);
  g_assert_cmpint (PEM_write_bio_PrivateKey (bio, key, NULL, NULL, 0, NULL, NULL), ==, 1);
  len = BIO_get_mem_data (bio, &pem);
  certificate = g_tls_certificate_new_from_pem (pem, len, &error);
  g_assert_no_error (error);
  BIO_free (bio);
  X509_free (x509);
  EVP_PKEY_free (key);
  return certificate;
}

static void
latency_check_cb (SoupServer *server, SoupServerMessage *message, const char *path, GHashTable *query, gpointer user_data)
{
  Https *https = user_data;

  soup_server_message_set_status (message, g_str_equal (path, "/derp/latency-check") ? https->status : 404, NULL);
}

static void
https_start (Https *https)
{
  g_autoptr (GError) error = NULL;
  GSList *uris;

  https->status = 200;
  https->certificate = make_certificate ();
  https->server = soup_server_new (NULL, NULL);
  soup_server_set_tls_certificate (https->server, https->certificate);
  soup_server_add_handler (https->server, NULL, latency_check_cb, https, NULL);
  soup_server_listen_local (https->server, 0, SOUP_SERVER_LISTEN_HTTPS | SOUP_SERVER_LISTEN_IPV4_ONLY, &error);
  g_assert_no_error (error);
  uris = soup_server_get_uris (https->server);
  https->port = (guint16) g_uri_get_port (uris->data);
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
}

static void
https_stop (Https *https)
{
  soup_server_disconnect (https->server);
  g_object_unref (https->server);
  g_object_unref (https->certificate);
}

static char *
pin_of (GTlsCertificate *certificate)
{
  g_autoptr (GByteArray) der = NULL;
  g_autofree char *digest = NULL;

  g_object_get (certificate, "certificate", &der, NULL);
  digest = g_compute_checksum_for_data (G_CHECKSUM_SHA256, der->data, der->len);
  return g_strconcat ("sha256-raw:", digest, NULL);
}

static gboolean
https_answers (Fixture *f, Https *https, const char *cert_name, gboolean insecure)
{
  g_autoptr (TnRelayMap) map = tn_relay_map_new ();
  TnRelayNode *node = add_region (map, 3, 0);
  guint n = f->n_results;

  node->derp_port = https->port;
  node->cert_name = g_strdup (cert_name);
  node->insecure_for_tests = insecure;
  tn_netcheck_set_relay_map (f->netcheck, map);
  wait_for_results (f, n + 1);
  g_assert_false (f->result->udp);
  g_assert_cmpuint (f->result->home, ==, 3);
  if (tn_netcheck_result_lookup (f->result, 3) == NULL)
    return FALSE;

  g_assert_true (f->result->ipv4);
  g_assert_cmpint (tn_netcheck_result_lookup (f->result, 3)->latency_ns, >, 0);
  g_assert_cmpint (tn_netcheck_result_lookup (f->result, 3)->ipv4_latency_ns, ==, 0);      /* which is for STUN */
  return TRUE;
}

static void
test_https (Fixture *f, gconstpointer user_data)
{
  g_autofree char *pin = NULL;
  g_autofree char *wrong = NULL;
  Https https;

  https_start (&https);
  pin = pin_of (https.certificate);
  wrong = g_strdup (pin);
  wrong[strlen (wrong) - 1] ^= 1;

  g_assert_false (https_answers (f, &https, NULL, FALSE));
  g_assert_true (https_answers (f, &https, NULL, TRUE));
  g_assert_true (https_answers (f, &https, pin, FALSE));
  g_assert_false (https_answers (f, &https, wrong, FALSE));
  g_assert_false (https_answers (f, &https, "relay.example", FALSE));      /* the name fits, but nobody vouches for it */
  https.status = 302;
  g_assert_false (https_answers (f, &https, pin, FALSE));
  https_stop (&https);
}

/* Where datagrams are not wanted, not one is sent. */
static void
test_tcp_only (Fixture *f, gconstpointer user_data)
{
  g_autoptr (TnRelayMap) map = tn_relay_map_new ();
  TnRelayNode *node;
  Server server;
  Https https;

  https_start (&https);
  node = add_region (map, 3, server_start (&server, 0));
  node->derp_port = https.port;
  node->insecure_for_tests = TRUE;
  tn_netcheck_set_tcp_only (f->netcheck, TRUE);
  tn_netcheck_set_relay_map (f->netcheck, map);
  wait_for_results (f, 1);
  g_assert_false (f->result->udp);
  g_assert_nonnull (tn_netcheck_result_lookup (f->result, 3));
  g_assert_cmpuint (server.n_requests, ==, 0);

  tn_netcheck_set_tcp_only (f->netcheck, FALSE);
  tn_netcheck_run (f->netcheck, TRUE);
  wait_for_results (f, 2);
  g_assert_true (f->result->udp);
  g_assert_cmpuint (server.n_requests, >, 0);
  server_stop (&server);
  https_stop (&https);
}

static void
test_nothing_answers (Fixture *f, gconstpointer user_data)
{
  g_autoptr (TnRelayMap) map = tn_relay_map_new ();
  guint home;

  for (guint id = 1; id <= 5; id++)
    add_region (map, id, 0)->derp_port = 1;                /* nobody listens there */
  ((TnRelayNode *) g_ptr_array_index (tn_relay_map_lookup (map, 2)->nodes, 0))->stun_only = TRUE;
  tn_netcheck_set_relay_map (f->netcheck, map);
  wait_for_results (f, 1);
  home = f->home;
  g_assert_cmpuint (home, >=, 1);
  g_assert_cmpuint (home, <=, 5);
  g_assert_cmpuint (home, !=, 2);
  tn_netcheck_run (f->netcheck, FALSE);
  wait_for_results (f, 2);
  g_assert_cmpuint (f->home, ==, home);
}

/* What the server gives for a name makes no URL. */
static void
test_no_host (Fixture *f, gconstpointer user_data)
{
  static const char *const hosts[] = { "", "[", "[::1", "/", "a:b:c", "%" };
  g_autoptr (TnRelayMap) map = tn_relay_map_new ();

  for (guint i = 0; i < G_N_ELEMENTS (hosts); i++)
    {
      TnRelayNode *node = add_region (map, i + 1, 0);

      g_free (node->host_name);
      node->host_name = g_strdup (hosts[i]);
    }
  tn_netcheck_set_tcp_only (f->netcheck, TRUE);
  tn_netcheck_set_relay_map (f->netcheck, map);
  wait_for_results (f, 1);
  g_assert_cmpuint (f->result->regions->len, ==, 0);
}

/* --- Names --- */

/* A resolver that keeps its questions until it is told to answer them. */
#define SLOW_TYPE_RESOLVER (slow_resolver_get_type ())
G_DECLARE_FINAL_TYPE (SlowResolver, slow_resolver, SLOW, RESOLVER, GResolver)

struct _SlowResolver
{
  GResolver  parent_instance;
  GPtrArray *waiting;      /* of GTask */
  guint      n_asked;
};

G_DEFINE_FINAL_TYPE (SlowResolver, slow_resolver, G_TYPE_RESOLVER)

static void
lookup_async (GResolver *resolver, const char *name, GResolverNameLookupFlags flags, GCancellable *cancellable,
              GAsyncReadyCallback callback, gpointer user_data)
{
  SlowResolver *self = SLOW_RESOLVER (resolver);

  self->n_asked++;
  g_ptr_array_add (self->waiting, g_task_new (self, cancellable, callback, user_data));
}

static GList *
lookup_finish (GResolver *resolver, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
slow_resolver_finalize (GObject *object)
{
  g_ptr_array_unref (SLOW_RESOLVER (object)->waiting);
  G_OBJECT_CLASS (slow_resolver_parent_class)->finalize (object);
}

static void
slow_resolver_class_init (SlowResolverClass *klass)
{
  G_RESOLVER_CLASS (klass)->lookup_by_name_with_flags_async = lookup_async;
  G_RESOLVER_CLASS (klass)->lookup_by_name_with_flags_finish = lookup_finish;
  G_OBJECT_CLASS (klass)->finalize = slow_resolver_finalize;
}

static void
slow_resolver_init (SlowResolver *self)
{
  self->waiting = g_ptr_array_new_with_free_func (g_object_unref);
}

static void
refuse_all (SlowResolver *self)
{
  g_autoptr (GPtrArray) tasks = g_steal_pointer (&self->waiting);

  self->waiting = g_ptr_array_new_with_free_func (g_object_unref);
  for (guint i = 0; i < tasks->len; i++)
    g_task_return_new_error (tasks->pdata[i], G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND, "no such name");
}

static void
wait_for_questions (SlowResolver *resolver, guint n)
{
  while (resolver->n_asked < n)
    g_main_context_iteration (NULL, TRUE);
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* However many regions have names and no addresses: the threads that resolve them are the whole program's. */
static void
test_many_names (Fixture *f, gconstpointer user_data)
{
  g_autoptr (GResolver) usual = g_resolver_get_default ();
  g_autoptr (SlowResolver) slow = g_object_new (SLOW_TYPE_RESOLVER, NULL);
  g_autoptr (TnRelayMap) map = tn_relay_map_new ();

  g_resolver_set_default (G_RESOLVER (slow));
  for (guint id = 1; id <= 50; id++)
    {
      TnRelayNode *node = add_region (map, id, 3478);

      g_clear_pointer (&node->ipv4, g_free);
      g_free (node->host_name);
      node->host_name = g_strdup_printf ("r%u.relay.test", id);
    }
  tn_netcheck_set_relay_map (f->netcheck, map);
  for (guint asked = 8; asked <= 24; asked += 8)
    {
      wait_for_questions (slow, asked);
      g_assert_cmpuint (slow->waiting->len, ==, 8);
      g_assert_cmpuint (slow->n_asked, ==, asked);
      refuse_all (slow);
    }

  wait_for_questions (slow, 32);
  g_clear_pointer (&f->netcheck, tn_netcheck_free);
  refuse_all (slow);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (slow->n_asked, ==, 32);      /* the others wait for nobody any more */
  g_resolver_set_default (usual);
}

/* A server with a new map every moment: the last one is measured, not all of them. */
static void
test_many_maps (Fixture *f, gconstpointer user_data)
{
  g_autoptr (GResolver) usual = g_resolver_get_default ();
  g_autoptr (SlowResolver) slow = g_object_new (SLOW_TYPE_RESOLVER, NULL);

  g_resolver_set_default (G_RESOLVER (slow));
  for (guint id = 1; id <= 30; id++)
    {
      g_autoptr (TnRelayMap) map = tn_relay_map_new ();
      TnRelayNode *node = add_region (map, id, 3478);

      g_clear_pointer (&node->ipv4, g_free);
      g_free (node->host_name);
      node->host_name = g_strdup ("relay.test");
      tn_netcheck_set_relay_map (f->netcheck, map);
      while (g_main_context_iteration (NULL, FALSE))
        ;
    }
  g_assert_cmpuint (slow->n_asked, ==, 8);
  g_assert_cmpuint (f->home, ==, 30);
  wait_for_questions (slow, 9);
  g_clear_pointer (&f->netcheck, tn_netcheck_free);
  refuse_all (slow);
  g_resolver_set_default (usual);
}

/* LeakSanitizer's tracer ends in a fatal error of its own after the last test of this program; valgrind looks for leaks here. */
int __lsan_is_turned_off (void);

int
__lsan_is_turned_off (void)
{
  return 1;
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func) g_test_add ("/netcheck/netcheck/" path, Fixture, NULL, set_up, func, tear_down)
  ADD ("single-region", test_single_region);
  ADD ("nearest", test_nearest);
  ADD ("mapping-varies", test_mapping_varies);
  ADD ("coalesced", test_coalesced);
  ADD ("stopped", test_stopped);
  ADD ("https", test_https);
  ADD ("tcp-only", test_tcp_only);
  ADD ("nothing-answers", test_nothing_answers);
  ADD ("no-host", test_no_host);
  ADD ("many-names", test_many_names);
  ADD ("many-maps", test_many_maps);
  return g_test_run ();
}
