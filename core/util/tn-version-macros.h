/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#ifndef _TN_EXTERN
#define _TN_EXTERN __attribute__ ((visibility ("default"))) extern
#endif

/**
 * TN_AVAILABLE_IN_ALL:
 *
 * Marks a function that every version of the library exports.
 *
 * Since: 0.1
 */
#define TN_AVAILABLE_IN_ALL _TN_EXTERN

/* Exported for the plugins of this tree; no part of the API. */
#define TN_PLUGIN_API _TN_EXTERN
