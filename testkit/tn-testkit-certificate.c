/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "tn-box.h"
#include "tn-hex.h"
#include "tn-testkit-certificate.h"

#define DAY_S (24 * 60 * 60)
#define META_VERSION 2             /* the protocol's, as serial number: tailscale derp/derpserver initMetacert() */

static void
crt_clear (gnutls_x509_crt_t *crt)
{
  if (*crt != NULL)
    gnutls_x509_crt_deinit (*crt);
}

static void
key_clear (gnutls_x509_privkey_t *key)
{
  if (*key != NULL)
    gnutls_x509_privkey_deinit (*key);
}

typedef gnutls_x509_crt_t TnCrt;
typedef gnutls_x509_privkey_t TnCrtKey;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TnCrt, crt_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TnCrtKey, key_clear)

static gboolean
check (int      rc,
       GError **error)
{
  if (rc >= 0)
    return TRUE;

  g_set_error (error, G_TLS_ERROR, G_TLS_ERROR_MISC, "cannot make a certificate: %s", gnutls_strerror (rc));
  return FALSE;
}

static gboolean
begin (TnCrt                   *crt,
       TnCrtKey                *key,
       gnutls_pk_algorithm_t    algorithm,
       guint                    bits,
       const guint8            *serial,
       gsize                    serial_len,
       const char              *common_name,
       GError                 **error)
{
  time_t now = (time_t) (g_get_real_time () / G_USEC_PER_SEC);

  return check (gnutls_x509_privkey_init (key), error) && check (gnutls_x509_privkey_generate (*key, algorithm, bits, 0), error) &&
         check (gnutls_x509_crt_init (crt), error) && check (gnutls_x509_crt_set_version (*crt, 3), error) &&
         check (gnutls_x509_crt_set_key (*crt, *key), error) && check (gnutls_x509_crt_set_serial (*crt, serial, serial_len), error) &&
         check (gnutls_x509_crt_set_dn_by_oid (*crt, GNUTLS_OID_X520_COMMON_NAME, 0, common_name, (guint) strlen (common_name)), error) &&
         check (gnutls_x509_crt_set_activation_time (*crt, now - DAY_S), error) &&
         check (gnutls_x509_crt_set_expiration_time (*crt, now + 365 * DAY_S), error) &&
         check (gnutls_x509_crt_set_basic_constraints (*crt, 0, -1), error);
}

static gboolean
set_names (TnCrt        crt,
           const char  *address,
           GError     **error)
{
  g_autoptr (GInetAddress) inet = g_inet_address_new_from_string (address);
  int rc;

  if (inet != NULL)
    rc = gnutls_x509_crt_set_subject_alt_name (crt, GNUTLS_SAN_IPADDRESS, g_inet_address_to_bytes (inet),
                                               (guint) g_inet_address_get_native_size (inet), GNUTLS_FSAN_SET);
  else
    rc = gnutls_x509_crt_set_subject_alt_name (crt, GNUTLS_SAN_DNSNAME, address, (guint) strlen (address), GNUTLS_FSAN_SET);
  return check (rc, error) &&
         check (gnutls_x509_crt_set_subject_alt_name (crt, GNUTLS_SAN_DNSNAME, "localhost", 9, GNUTLS_FSAN_APPEND), error);
}

/* As text, and with its own key as issuer. */
static gboolean
finish (TnCrt                       crt,
        TnCrtKey                    key,
        gnutls_digest_algorithm_t   digest,
        GString                    *pem,
        GError                    **error)
{
  gnutls_datum_t out = { 0 };

  if (!check (gnutls_x509_crt_sign2 (crt, crt, key, digest, 0), error) ||
      !check (gnutls_x509_crt_export2 (crt, GNUTLS_X509_FMT_PEM, &out), error))
    return FALSE;
  g_string_append_len (pem, (const char *) out.data, out.size);
  gnutls_free (out.data);
  return TRUE;
}

static gboolean
append_key (TnCrtKey   key,
            GString   *pem,
            GError   **error)
{
  gnutls_datum_t out = { 0 };

  if (!check (gnutls_x509_privkey_export2_pkcs8 (key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &out), error))
    return FALSE;
  g_string_append_len (pem, (const char *) out.data, out.size);
  explicit_bzero (out.data, out.size);
  gnutls_free (out.data);
  return TRUE;
}

static GTlsCertificate *
make_meta (const TnNodePublicKey  *derp_key,
           GError                **error)
{
  static const guint8 serial[] = { META_VERSION };
  g_auto (TnCrt) crt = NULL;
  g_auto (TnCrtKey) key = NULL;
  g_autoptr (GString) pem = g_string_new (NULL);
  char hex[2 * TN_KEY_LEN + 1];
  g_autofree char *name = NULL;

  tn_hex_encode (derp_key->bytes, TN_KEY_LEN, hex);
  name = g_strconcat ("derpkey", hex, NULL);
  if (!begin (&crt, &key, GNUTLS_PK_EDDSA_ED25519, 0, serial, sizeof serial, name, error) ||
      !finish (crt, key, GNUTLS_DIG_SHA512, pem, error))
    return NULL;
  return g_tls_certificate_new_from_pem (pem->str, (gssize) pem->len, error);
}

GTlsCertificate *
tn_testkit_certificate_new (const char             *address,
                            const TnNodePublicKey  *derp_key,
                            GError                **error)
{
  g_auto (TnCrt) crt = NULL;
  g_auto (TnCrtKey) key = NULL;
  g_autoptr (GString) pem = g_string_new (NULL);
  g_autoptr (GTlsCertificate) certificate = NULL;
  g_autoptr (GTlsCertificate) meta = NULL;
  g_autofree char *certificate_pem = NULL;
  g_autofree char *key_pem = NULL;
  guint8 serial[16];

  tn_random (serial, sizeof serial);
  serial[0] &= 0x7f;
  if (!begin (&crt, &key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP256R1), serial, sizeof serial, address, error) ||
      !set_names (crt, address, error) ||
      !check (gnutls_x509_crt_set_key_usage (crt, GNUTLS_KEY_DIGITAL_SIGNATURE), error) ||
      !check (gnutls_x509_crt_set_key_purpose_oid (crt, GNUTLS_KP_TLS_WWW_SERVER, 0), error) ||
      !finish (crt, key, GNUTLS_DIG_SHA256, pem, error) || !append_key (key, pem, error))
    return NULL;

  certificate = g_tls_certificate_new_from_pem (pem->str, (gssize) pem->len, error);
  explicit_bzero (pem->str, pem->len);
  if (certificate == NULL || derp_key == NULL)
    return g_steal_pointer (&certificate);

  /* GIO puts into the chain what is named as issuer, whether it signed or not. */
  meta = make_meta (derp_key, error);
  if (meta == NULL)
    return NULL;
  g_object_get (certificate, "certificate-pem", &certificate_pem, "private-key-pem", &key_pem, NULL);
  return g_initable_new (G_OBJECT_TYPE (certificate), NULL, error,
                         "certificate-pem", certificate_pem, "private-key-pem", key_pem, "issuer", meta, NULL);
}

char *
tn_testkit_certificate_dup_pin (GTlsCertificate *certificate)
{
  g_autoptr (GByteArray) der = NULL;
  g_autofree char *digits = NULL;

  g_object_get (certificate, "certificate", &der, NULL);
  digits = g_compute_checksum_for_data (G_CHECKSUM_SHA256, der->data, der->len);
  return g_strconcat ("sha256-raw:", digits, NULL);
}
