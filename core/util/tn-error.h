/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include "tn-version-macros.h"

G_BEGIN_DECLS

/**
 * TN_ERROR:
 *
 * Error domain of the library. What the operating system or the network says keeps %G_IO_ERROR.
 *
 * Since: 0.1
 */
#define TN_ERROR (tn_error_quark ())

/**
 * TnError:
 * @TN_ERROR_FAILED: no other code fits; the message says what happened
 * @TN_ERROR_NEEDS_LOGIN: somebody has to log in first
 * @TN_ERROR_NEEDS_APPROVAL: an administrator has to approve the node first
 * @TN_ERROR_AUTH_REJECTED: the control server refused the auth key or the node
 * @TN_ERROR_KEY_EXPIRED: the node key has expired
 * @TN_ERROR_CONTROL: the control server answered with an error, whose words are in the message
 * @TN_ERROR_NO_SUCH_PEER: no peer has this name or address
 * @TN_ERROR_NO_ROUTE: no peer routes this address; or it is none of the own ones, where one of these is wanted
 * @TN_ERROR_BLOCKED: a policy forbids it
 * @TN_ERROR_MALFORMED: bytes or text from outside break their format
 * @TN_ERROR_UNSUPPORTED: the other side or this build does not have it
 * @TN_ERROR_PLUGIN: a plugin could not be loaded
 *
 * Codes of the %TN_ERROR domain, each one something that a caller may act on.
 *
 * Since: 0.1
 */
typedef enum
{
  TN_ERROR_FAILED,
  TN_ERROR_NEEDS_LOGIN,
  TN_ERROR_NEEDS_APPROVAL,
  TN_ERROR_AUTH_REJECTED,
  TN_ERROR_KEY_EXPIRED,
  TN_ERROR_CONTROL,
  TN_ERROR_NO_SUCH_PEER,
  TN_ERROR_NO_ROUTE,
  TN_ERROR_BLOCKED,
  TN_ERROR_MALFORMED,
  TN_ERROR_UNSUPPORTED,
  TN_ERROR_PLUGIN,
} TnError;

/**
 * tn_error_quark:
 *
 * Gets the domain of the errors of the library.
 *
 * Returns: the quark
 *
 * Since: 0.1
 */
TN_AVAILABLE_IN_ALL
GQuark tn_error_quark (void);

G_END_DECLS
