/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "tn-certificate-text.h"
#include "tn-derp-verify.h"
#include "tn-hex.h"

#define PIN_PREFIX "sha256-raw:"
#define META_PREFIX "derpkey"       /* derp/derpconst: common name of the certificate that carries the relay's key */
#define SHA256_LEN 32

static void
crt_free (gnutls_x509_crt_t *crt)
{
  if (*crt != NULL)
    gnutls_x509_crt_deinit (*crt);
}

typedef gnutls_x509_crt_t TnCrt;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TnCrt, crt_free)

static gboolean
crt_import (TnCrt  *crt,
            GBytes *der)
{
  gsize len;
  union { const void *given; guint8 *wanted; } data = { g_bytes_get_data (der, &len) };     /* it is only read */
  gnutls_datum_t datum = { data.wanted, (guint) len };

  return gnutls_x509_crt_init (crt) == 0 && gnutls_x509_crt_import (*crt, &datum, GNUTLS_X509_FMT_DER) == 0;
}

/* The digits behind META_PREFIX in the common name of @crt; FALSE: another kind of certificate. */
static gboolean
get_meta_digits (TnCrt  crt,
                 char  *digits,
                 gsize  digits_len)
{
  char name[128];
  gsize len = sizeof name;

  if (gnutls_x509_crt_get_dn_by_oid (crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &len) < 0 || !g_str_has_prefix (name, META_PREFIX))
    return FALSE;

  g_strlcpy (digits, name + strlen (META_PREFIX), digits_len);
  return TRUE;
}

static gboolean
is_meta (GBytes *der)
{
  g_auto (TnCrt) crt = NULL;
  char digits[128];

  return crt_import (&crt, der) && get_meta_digits (crt, digits, sizeof digits);
}

gboolean
tn_derp_verify_find_key (GPtrArray       *chain,
                         TnNodePublicKey *key)
{
  for (guint i = 0; i < chain->len; i++)
    {
      g_auto (TnCrt) crt = NULL;
      char digits[128];
      guint8 serial[32];
      gsize serial_len = sizeof serial;

      if (!crt_import (&crt, g_ptr_array_index (chain, i)) || !get_meta_digits (crt, digits, sizeof digits))
        continue;
      /* The serial number is the protocol's version, of at most eight bits: DER puts a zero byte before the upper half. */
      if (gnutls_x509_crt_get_serial (crt, serial, &serial_len) < 0 || serial_len == 0 || serial_len > 2 ||
          serial[serial_len - 1] == 0 || (serial_len == 2 && serial[0] != 0))
        continue;
      if (tn_hex_decode (digits, strlen (digits), key->bytes, TN_KEY_LEN))
        return TRUE;
    }
  return FALSE;
}

static gboolean
is_set (const char *text)
{
  return text != NULL && *text != '\0';
}

const char *
tn_derp_verify_sni (const TnRelayNode *node)
{
  const char *name = is_set (node->host_name) ? node->host_name : node->cert_name;

  if (!is_set (name) || g_hostname_is_ip_address (name) || g_str_has_prefix (name, PIN_PREFIX))
    return NULL;
  return name;
}

/* The only certificate that is not there to carry a key; NULL: none, or several. */
static GBytes *
get_only_certificate (GPtrArray *chain)
{
  GBytes *only = NULL;

  for (guint i = 0; i < chain->len; i++)
    {
      GBytes *der = g_ptr_array_index (chain, i);

      if (is_meta (der))
        continue;
      if (only != NULL)
        return NULL;
      only = der;
    }
  return only;
}

/* A pinned certificate needs no authority: hash, dates and, if we named one, the name. */
static gboolean
verify_pin (GPtrArray          *chain,
            const TnRelayNode  *node,
            GError            **error)
{
  const char *sni = tn_derp_verify_sni (node);
  GBytes *der = get_only_certificate (chain);
  g_auto (TnCrt) crt = NULL;
  guint8 hash[SHA256_LEN];
  char digits[2 * SHA256_LEN + 1];
  time_t now = (time_t) (g_get_real_time () / G_USEC_PER_SEC);

  if (der == NULL || !crt_import (&crt, der))
    {
      g_set_error_literal (error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE,
                           "a pinned relay shows exactly one certificate, this one did not");
      return FALSE;
    }
  gnutls_hash_fast (GNUTLS_DIG_SHA256, g_bytes_get_data (der, NULL), g_bytes_get_size (der), hash);
  tn_hex_encode (hash, sizeof hash, digits);
  if (strcmp (digits, node->cert_name + strlen (PIN_PREFIX)) != 0)
    {
      g_set_error (error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE, "certificate is " PIN_PREFIX "%s, pinned is %s",
                   digits, node->cert_name);
      return FALSE;
    }
  if (now < gnutls_x509_crt_get_activation_time (crt) || now > gnutls_x509_crt_get_expiration_time (crt))
    {
      g_set_error_literal (error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE, "pinned certificate has expired or is not valid yet");
      return FALSE;
    }
  if (sni != NULL && !gnutls_x509_crt_check_hostname (crt, sni))
    {
      g_set_error (error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE, "pinned certificate is not for %s", sni);
      return FALSE;
    }
  return TRUE;
}

/* One object, each certificate the issuer of the one before; those that carry a key are no part of it. */
static GTlsCertificate *
chain_to_certificate (GPtrArray  *chain,
                      GError    **error)
{
  g_autoptr (GTlsCertificate) certificate = NULL;

  for (guint i = chain->len; i-- > 0;)
    {
      GBytes *der = g_ptr_array_index (chain, i);
      g_autoptr (GByteArray) bytes = NULL;
      GTlsCertificate *next;

      if (i > 0 && is_meta (der))
        continue;
      bytes = g_byte_array_new ();
      g_byte_array_append (bytes, g_bytes_get_data (der, NULL), (guint) g_bytes_get_size (der));
      next = g_initable_new (g_tls_backend_get_certificate_type (g_tls_backend_get_default ()), NULL, error,
                             "certificate", bytes, "issuer", certificate, NULL);
      if (next == NULL)
        return NULL;
      g_clear_object (&certificate);
      certificate = next;
    }
  if (certificate == NULL)
    g_set_error_literal (error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE, "relay shows no certificate");
  return g_steal_pointer (&certificate);
}

static gboolean
verify_name (GPtrArray     *chain,
             const char    *name,
             GTlsDatabase  *database,
             GError       **error)
{
  g_autoptr (GTlsCertificate) certificate = chain_to_certificate (chain, error);
  g_autoptr (GSocketConnectable) identity = NULL;
  g_autoptr (GTlsDatabase) system = NULL;
  g_autoptr (GError) local = NULL;
  g_autofree char *text = NULL;
  GTlsCertificateFlags flags;

  if (certificate == NULL)
    return FALSE;

  if (database == NULL)
    database = system = g_tls_backend_get_default_database (g_tls_backend_get_default ());
  identity = g_network_address_new (name, 0);
  flags = g_tls_database_verify_chain (database, certificate, G_TLS_DATABASE_PURPOSE_AUTHENTICATE_SERVER, identity, NULL,
                                       G_TLS_DATABASE_VERIFY_NONE, NULL, &local);
  if (flags == 0)
    return TRUE;

  text = tn_certificate_dup_problems (flags);
  g_set_error (error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE, "certificate for %s is %s%s%s", name, text,
               local != NULL ? ": " : "", local != NULL ? local->message : "");
  return FALSE;
}

gboolean
tn_derp_verify (GPtrArray          *chain,
                const TnRelayNode  *node,
                GTlsDatabase       *database,
                GError            **error)
{
  if (is_set (node->cert_name) && g_str_has_prefix (node->cert_name, PIN_PREFIX))
    return verify_pin (chain, node, error);
  if (is_set (node->cert_name))
    return verify_name (chain, node->cert_name, database, error);
  if (node->insecure_for_tests)
    return TRUE;
  return verify_name (chain, node->host_name, database, error);
}
