/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-ping-result-private.h"

#include "tn-enum-types.h"
#include "tn-json-writer.h"

/**
 * TnPingResult:
 *
 * One answer to a ping. Immutable.
 *
 * Since: 0.1
 */
struct _TnPingResult
{
  GObject       parent_instance;
  GInetAddress *address;
  TnNode       *node;
  TnPath       *path;
  gint64        latency_us;
  TnPingKind    kind;
};

enum { PROP_0, PROP_KIND, PROP_ADDRESS, PROP_NODE, PROP_LATENCY_US, PROP_PATH, N_PROPS };

G_DEFINE_FINAL_TYPE (TnPingResult, tn_ping_result, G_TYPE_OBJECT)
static GParamSpec *properties[N_PROPS];

static void
tn_ping_result_finalize (GObject *object)
{
  TnPingResult *self = TN_PING_RESULT (object);

  g_clear_object (&self->address);
  g_clear_object (&self->node);
  g_clear_pointer (&self->path, tn_path_unref);
  G_OBJECT_CLASS (tn_ping_result_parent_class)->finalize (object);
}

static void
tn_ping_result_get_property (GObject    *object,
                             guint       prop_id,
                             GValue     *value,
                             GParamSpec *pspec)
{
  TnPingResult *self = TN_PING_RESULT (object);

  switch (prop_id)
    {
    case PROP_KIND:
      g_value_set_enum (value, (int) self->kind);
      break;
    case PROP_ADDRESS:
      g_value_set_object (value, self->address);
      break;
    case PROP_NODE:
      g_value_set_object (value, self->node);
      break;
    case PROP_LATENCY_US:
      g_value_set_int64 (value, self->latency_us);
      break;
    case PROP_PATH:
      g_value_set_boxed (value, self->path);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

#define READABLE (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)

static void
tn_ping_result_class_init (TnPingResultClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = tn_ping_result_finalize;
  object_class->get_property = tn_ping_result_get_property;

  /**
   * TnPingResult:kind: (getter get_kind)
   *
   * What the ping was made of.
   *
   * Since: 0.1
   */
  properties[PROP_KIND] = g_param_spec_enum ("kind", NULL, NULL, TN_TYPE_PING_KIND, TN_PING_KIND_DISCO, READABLE);

  /**
   * TnPingResult:address: (getter get_address)
   *
   * Address that was asked.
   *
   * Since: 0.1
   */
  properties[PROP_ADDRESS] = g_param_spec_object ("address", NULL, NULL, G_TYPE_INET_ADDRESS, READABLE);

  /**
   * TnPingResult:node: (getter get_node)
   *
   * Node that answered, or through which the answer came.
   *
   * Since: 0.1
   */
  properties[PROP_NODE] = g_param_spec_object ("node", NULL, NULL, TN_TYPE_NODE, READABLE);

  /**
   * TnPingResult:latency-us: (getter get_latency_us)
   *
   * Round trip in microseconds.
   *
   * Since: 0.1
   */
  properties[PROP_LATENCY_US] = g_param_spec_int64 ("latency-us", NULL, NULL, -1, G_MAXINT64, -1, READABLE);

  /**
   * TnPingResult:path: (getter get_path)
   *
   * How the answer came.
   *
   * Since: 0.1
   */
  properties[PROP_PATH] = g_param_spec_boxed ("path", NULL, NULL, TN_TYPE_PATH, READABLE);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
tn_ping_result_init (TnPingResult *self)
{
}

TnPingResult *
tn_ping_result_new (TnPingKind        kind,
                    GInetAddress     *address,
                    TnNode           *node,
                    gint64            latency_us,
                    const TnPathData *path)
{
  TnPingResult *self = g_object_new (TN_TYPE_PING_RESULT, NULL);
  TnPathData measured = *path;

  measured.latency_us = latency_us;
  self->kind = kind;
  self->address = g_object_ref (address);
  self->node = g_object_ref (node);
  self->latency_us = latency_us;
  self->path = tn_path_new (&measured);
  return self;
}

/**
 * tn_ping_result_get_kind: (get-property kind)
 * @self: a ping result
 *
 * Gets what the ping was made of.
 *
 * Returns: the kind
 *
 * Since: 0.1
 */
TnPingKind
tn_ping_result_get_kind (TnPingResult *self)
{
  g_return_val_if_fail (TN_IS_PING_RESULT (self), TN_PING_KIND_DISCO);

  return self->kind;
}

/**
 * tn_ping_result_get_address: (get-property address)
 * @self: a ping result
 *
 * Gets the address that was asked.
 *
 * Returns: (transfer none): the address
 *
 * Since: 0.1
 */
GInetAddress *
tn_ping_result_get_address (TnPingResult *self)
{
  g_return_val_if_fail (TN_IS_PING_RESULT (self), NULL);

  return self->address;
}

/**
 * tn_ping_result_get_node: (get-property node)
 * @self: a ping result
 *
 * Gets the node that answered, or through which the answer came.
 *
 * Returns: (transfer none): the node
 *
 * Since: 0.1
 */
TnNode *
tn_ping_result_get_node (TnPingResult *self)
{
  g_return_val_if_fail (TN_IS_PING_RESULT (self), NULL);

  return self->node;
}

/**
 * tn_ping_result_get_latency_us: (get-property latency-us)
 * @self: a ping result
 *
 * Gets the round trip.
 *
 * Returns: microseconds
 *
 * Since: 0.1
 */
gint64
tn_ping_result_get_latency_us (TnPingResult *self)
{
  g_return_val_if_fail (TN_IS_PING_RESULT (self), -1);

  return self->latency_us;
}

/**
 * tn_ping_result_get_path: (get-property path)
 * @self: a ping result
 *
 * Gets how the answer came.
 *
 * Returns: (transfer none): the path
 *
 * Since: 0.1
 */
TnPath *
tn_ping_result_get_path (TnPingResult *self)
{
  g_return_val_if_fail (TN_IS_PING_RESULT (self), NULL);

  return self->path;
}

/* Where the field names of the stock client have no answer (TSMP says nothing of the path), they are empty there, too. */
static void
add_path (TnJsonWriter *writer,
          const TnPath *path)
{
  const TnPathData *data = tn_path_get_data (path);
  char endpoint[TN_IP_ENDPOINT_TEXT_MAX] = "";

  if (data->endpoint.address.version != 0)
    tn_ip_endpoint_print (&data->endpoint, endpoint);
  tn_json_writer_string (writer, "Endpoint", data->kind == TN_PATH_KIND_DIRECT ? endpoint : "");
  tn_json_writer_string (writer, "PeerRelay", data->kind == TN_PATH_KIND_PEER_RELAY ? endpoint : "");
  tn_json_writer_int (writer, "DERPRegionID", data->kind == TN_PATH_KIND_RELAY ? data->region : 0);
  tn_json_writer_string (writer, "DERPRegionCode", data->kind == TN_PATH_KIND_RELAY ? data->region_code : "");
}

/**
 * tn_ping_result_to_json:
 * @self: a ping result
 *
 * Writes it as a JSON object with the field names of the stock client.
 *
 * Returns: (transfer full): the text
 *
 * Since: 0.1
 */
char *
tn_ping_result_to_json (TnPingResult *self)
{
  TnJsonWriter writing;
  TnJsonWriter *writer = &writing;
  g_autofree char *address = NULL;

  g_return_val_if_fail (TN_IS_PING_RESULT (self), NULL);

  writing = TN_JSON_WRITER_INIT;
  address = g_inet_address_to_string (self->address);
  tn_json_writer_begin_object (writer);
  tn_json_writer_string (writer, "IP", address);
  tn_json_writer_string (writer, "NodeIP", tn_node_get_addresses (self->node)[0]);
  tn_json_writer_string (writer, "NodeName", tn_node_get_name (self->node));
  tn_json_writer_string (writer, "Err", "");
  tn_json_writer_double (writer, "LatencySeconds", (double) self->latency_us / G_USEC_PER_SEC);
  add_path (writer, self->path);
  tn_json_writer_end_object (writer);
  return tn_json_writer_free (writer);
}
