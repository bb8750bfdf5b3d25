import type { Transport } from "@modelcontextprotocol/client";

/** The way to a server, made and taken down by us; the library speaks the protocol over it. */
export interface Link {
  readonly transport: Transport;
  readonly pid?: number | undefined;
  /** Why it ended by itself, in words; undefined while it holds, and when we have closed it. */
  problem(): string | undefined;
  /** Called once by the library's client when the two have shaken hands. */
  opened(): void;
  /** Something went wrong that ends no request by itself. */
  onError(error: Error): void;
  /** Ends it, the program included. Never rejects. */
  close(): Promise<void>;
}
