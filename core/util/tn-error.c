/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-error.h"

/**
 * tn_error_quark:
 *
 * Gets the domain of the errors of the library.
 *
 * Returns: the quark
 */
G_DEFINE_QUARK (tn-error-quark, tn_error)
