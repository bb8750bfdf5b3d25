/** The running gateway as it is written into its state directory, for its clients and for a second one. */
export const STATE_FILE = "gateway.json";

/** The token the gateway made at its first start. */
export const TOKEN_FILE = "gateway.token";

/** A change of the configuration that is undone unless somebody confirms it. */
export const UNCONFIRMED_FILE = "config-unconfirmed.json";

/** Held by the gateway whose state directory it is. */
export const LOCK_FILE = "gateway.lock";

/** Sessions, messages, runs: all that must not be lost. */
export const DATABASE_FILE = "gateway.db";
