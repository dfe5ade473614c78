/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <glib/gi18n.h>

#include "tailnet.h"

G_BEGIN_DECLS

/* Exit codes. */
enum
{
  TN_CLI_DONE = 0,
  TN_CLI_FAILED = 1,
  TN_CLI_USAGE = 2,
};

#define TN_CLI_TIMEOUT_S 20      /* for joining and connecting, without --timeout */
#define TN_CLI_NO_TIMEOUT G_MININT      /* --timeout was not given */

/* What every command gets: the options of the node, and a device on demand. */
typedef struct
{
  char         *state_dir;
  gboolean      ephemeral;
  char         *control_url;
  char         *auth_key;          /* as given: "file:PATH", "env:NAME" or the key */
  char         *hostname;
  char        **tags;
  gboolean      allow_plain_http;
  char         *capture_file;      /* nullable */
  char         *interface;         /* nullable: of the kernel; "": any name */
  char         *ca_file;
  gboolean      timeout_given;
  int           timeout_s;         /* or TN_CLI_NO_TIMEOUT */
  gboolean      patient;           /* joining may take as long as it takes */
  gboolean      leaving;           /* the device logs out as soon as the server knows it */
  gboolean      looking;           /* one of another program need not run */
  gboolean      json;
  gboolean      verbose;

  TnDevice     *device;            /* NULL until tn_cli_start() */
  TnDeviceServer *server;          /* nullable: others with the same state use the device through it */
  gboolean      attached;          /* it is another process that runs the device */
  gboolean      joining;           /* until it runs */
  gboolean      expired;           /* the key of the node has */
  gboolean      login_begun;
  GCancellable *cancellable;       /* cancelled by SIGINT, SIGTERM, and when time is up */
  GSource      *deadline;          /* nullable */
  gboolean      timed_out;
  gboolean      interrupted;       /* by SIGINT or SIGTERM */
} TnCli;

typedef struct
{
  const char  *name;
  const char  *arguments;          /* "HOST PORT", for the help */
  const char  *summary;
  const char  *details;            /* nullable; below the options in the help */
  int        (*run) (TnCli *cli, int argc, char **argv);     /* argv[0] is the name */
} TnCliCommand;

/* A device for this command: the one that another process runs with the same state, or else one of this process. Waits until it
 * runs; a login URL is printed on the way. Not TN_CLI_DONE: the code to end with, and the reason was printed. */
int           tn_cli_start      (TnCli *cli);
void          tn_cli_stop       (TnCli *cli);

/* Ctrl-C ends what waits, and not the program, from here on. tn_cli_start() does it, too. */
void          tn_cli_watch_signals (TnCli *cli);

/* From tn_cli_begin() to tn_cli_end() something has to happen within --timeout; else it is cancelled, and tn_cli_fail() says so.
 * @default_s: without --timeout, 0 for no limit. */
void          tn_cli_begin      (TnCli *cli, int default_s);
void          tn_cli_end        (TnCli *cli);

/* Standard output, errors and warnings, from here to the end of the program: whatever could not be printed makes it fail, and control
 * characters are shown and not obeyed. */
void          tn_cli_watch_output (void);
gboolean      tn_cli_output_lost  (void);      /* nobody reads, or there is no room */

/* Prints one line, whatever was put into it: on standard output, on standard error. */
void          tn_cli_say        (const char *format, ...) G_GNUC_PRINTF (1, 2);
void          tn_cli_complain   (const char *format, ...) G_GNUC_PRINTF (1, 2);
char         *tn_cli_dup_line_v (const char *format, va_list args) G_GNUC_PRINTF (1, 0);

/* A text of others as it may stand in a line: its ends of lines are shown as well. "-": there is none. */
char         *tn_cli_dup_line   (const char *text);

/* Waits a moment for a peer that is not on the map: it may have joined just now. */
void          tn_cli_wait_peer  (TnCli *cli, const char *host);

/* Prints "tailnet: …" on standard error and returns TN_CLI_FAILED or TN_CLI_USAGE. */
int           tn_cli_fail       (TnCli *cli, const GError *error);
int           tn_cli_usage      (const char *format, ...) G_GNUC_PRINTF (1, 2);

/* Parses the options of a command; FALSE with *code: stop with that (after --help, say). What is left in @argv are arguments. */
gboolean      tn_cli_parse      (TnCli *cli, const TnCliCommand *command, GOptionEntry *entries, int *argc, char ***argv, int *code);

/* Waits for an _async call: pass tn_cli_done_cb and &result; the result is the caller's. */
void          tn_cli_done_cb    (GObject *object, GAsyncResult *result, gpointer user_data);
GAsyncResult *tn_cli_wait       (GAsyncResult **result);

/* Until then, or until it is interrupted. */
void          tn_cli_pause      (TnCli *cli, guint interval_ms);

/* Connects; limited in time. NULL: @error says why. */
TnConnection *tn_cli_connect    (TnCli *cli, const char *host, guint16 port, GError **error);

/* Listens on @port of all own addresses. */
TnListener   *tn_cli_listen     (TnCli *cli, guint16 port, GError **error);

/* "db (100.64.0.7)", or the address alone. */
char         *tn_cli_dup_caller (TnConnection *connection);

/* A port number in @text; 0: none, and the reason was printed. */
guint16       tn_cli_port       (const char *text);

/* Of the commands that print JSON: what each has, shown among their own. */
#define TN_CLI_JSON(cli) { "json", 'j', 0, G_OPTION_ARG_NONE, &(cli)->json, N_("Print JSON"), NULL }

extern const TnCliCommand tn_cli_up, tn_cli_down, tn_cli_logout, tn_cli_status, tn_cli_ip, tn_cli_whoami, tn_cli_whois, tn_cli_dns, tn_cli_ping,
                          tn_cli_nc, tn_cli_perf, tn_cli_serve, tn_cli_id_token, tn_cli_demo, tn_cli_version;

G_END_DECLS
