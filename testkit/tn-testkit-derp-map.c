/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-testkit-derp-private.h"

#include <json-glib/json-glib.h>

#include "tn-testkit-certificate.h"

/* How clients find and trust a relay: one by one, and as a relay map says it. */

/**
 * tn_testkit_derp_get_region: (get-property region)
 * @self: a relay
 *
 * Gets the number of the relay region.
 *
 * Returns: number of its region
 *
 * Since: 0.1
 */
guint
tn_testkit_derp_get_region (TnTestkitDerp *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_DERP (self), 0);

  return self->region;
}

/**
 * tn_testkit_derp_get_address: (get-property address)
 * @self: a relay
 *
 * Gets the IP address on which it listens.
 *
 * Returns: the IP address that it listens on
 *
 * Since: 0.1
 */
const char *
tn_testkit_derp_get_address (TnTestkitDerp *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_DERP (self), NULL);

  return self->address;
}

/**
 * tn_testkit_derp_get_port: (get-property port)
 * @self: a relay
 *
 * Gets the TCP port on which it listens.
 *
 * Returns: its TCP port, 0 when it was never started
 *
 * Since: 0.1
 */
guint
tn_testkit_derp_get_port (TnTestkitDerp *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_DERP (self), 0);

  return self->port;
}

/**
 * tn_testkit_derp_get_stun_port: (get-property stun-port)
 * @self: a relay
 *
 * Gets the UDP port of its STUN server.
 *
 * Returns: the UDP port of the STUN server beside it; 0: none
 *
 * Since: 0.1
 */
guint
tn_testkit_derp_get_stun_port (TnTestkitDerp *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_DERP (self), 0);

  return self->stun_port;
}

/**
 * tn_testkit_derp_get_certificate: (get-property certificate)
 * @self: a relay
 *
 * Gets the certificate that it shows to clients.
 *
 * Returns: (transfer none) (nullable): its certificate, %NULL when it was never started and none was given
 *
 * Since: 0.1
 */
GTlsCertificate *
tn_testkit_derp_get_certificate (TnTestkitDerp *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_DERP (self), NULL);

  return self->certificate;
}

/**
 * tn_testkit_derp_dup_pin:
 * @self: a relay that was started
 *
 * Gets what a client pins instead of trusting an authority: `sha256-raw:` and a hash.
 *
 * Returns: (transfer full) (nullable): what a map pins its certificate with: `sha256-raw:` and 64 digits
 *
 * Since: 0.1
 */
char *
tn_testkit_derp_dup_pin (TnTestkitDerp *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_DERP (self), NULL);

  return self->certificate != NULL ? tn_testkit_certificate_dup_pin (self->certificate) : NULL;
}

static JsonNode *
node_to_json (TnTestkitDerp *self)
{
  g_autofree char *pin = tn_testkit_derp_dup_pin (self);
  g_autofree char *name = g_strdup_printf ("%ua", self->region);
  gboolean is_v6 = strchr (self->address, ':') != NULL;
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  const struct { const char *name, *value; } strings[] = {
    { "Name", name }, { "HostName", self->address }, { "IPv4", is_v6 ? "none" : self->address },
    { "IPv6", is_v6 ? self->address : "none" }, { "CertName", pin },
  };

  json_builder_begin_object (builder);
  for (guint i = 0; i < G_N_ELEMENTS (strings); i++)
    if (strings[i].value != NULL)
      json_builder_add_string_value (json_builder_set_member_name (builder, strings[i].name), strings[i].value);
  json_builder_add_int_value (json_builder_set_member_name (builder, "RegionID"), self->region);
  json_builder_add_int_value (json_builder_set_member_name (builder, "DERPPort"), self->port);
  json_builder_add_int_value (json_builder_set_member_name (builder, "STUNPort"), self->stun_port != 0 ? (int) self->stun_port : -1);
  json_builder_end_object (builder);
  return json_builder_get_root (builder);
}

static JsonNode *
region_to_json (TnTestkitDerp *self)
{
  g_autofree char *code = g_strdup_printf ("test%u", self->region);
  g_autofree char *name = g_strdup_printf ("Test %u", self->region);
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_builder_add_int_value (json_builder_set_member_name (builder, "RegionID"), self->region);
  json_builder_add_string_value (json_builder_set_member_name (builder, "RegionCode"), code);
  json_builder_add_string_value (json_builder_set_member_name (builder, "RegionName"), name);
  json_builder_begin_array (json_builder_set_member_name (builder, "Nodes"));
  json_builder_add_value (builder, node_to_json (self));
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  return json_builder_get_root (builder);
}

/**
 * tn_testkit_derp_dup_region_json:
 * @self: a relay that was started
 *
 * Its region as it stands in a relay map: an object with `RegionID` and `Nodes`.
 *
 * Returns: (transfer full): JSON
 *
 * Since: 0.1
 */
char *
tn_testkit_derp_dup_region_json (TnTestkitDerp *self)
{
  g_autoptr (JsonNode) region = NULL;

  g_return_val_if_fail (TN_TESTKIT_IS_DERP (self), NULL);

  region = region_to_json (self);
  return json_to_string (region, FALSE);
}

/**
 * tn_testkit_derp_dup_map_json:
 * @self: a relay that was started
 *
 * A relay map of this one region, for [method@TailnetTestkit.Control.set_derp_map_json].
 *
 * Returns: (transfer full): JSON
 *
 * Since: 0.1
 */
char *
tn_testkit_derp_dup_map_json (TnTestkitDerp *self)
{
  g_autofree char *region = NULL;

  g_return_val_if_fail (TN_TESTKIT_IS_DERP (self), NULL);

  region = tn_testkit_derp_dup_region_json (self);
  return g_strdup_printf ("{\"Regions\":{\"%u\":%s}}", self->region, region);
}
