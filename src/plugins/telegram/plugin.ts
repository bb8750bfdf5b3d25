import { definePlugin, type PluginRequestHead } from "../api.ts";
import { TelegramAccount } from "./account.ts";
import { accountsOf, namesIn, policyOf, Section } from "./settings.ts";

// oxlint-disable-next-line import/no-default-export -- how a plugin's module says what it is
export default definePlugin({
  id: "telegram",
  apiVersion: 1,
  config: Section,
  start(ctx) {
    const wanted = [...accountsOf(ctx.config(), ctx.env("TELEGRAM_BOT_TOKEN"))];
    const accounts = new Map(wanted.map(([id, settings]) => [id, new TelegramAccount(id, settings, ctx)]));
    const of = (id: string): TelegramAccount => {
      const account = accounts.get(id);
      if (account) return account;
      throw new Error(`Cannot find Telegram account "${id}": there is none`);
    };

    for (const [id, settings] of wanted) {
      const { webhookUrl, webhookPath } = settings;
      const names = namesIn(settings).join(" ");
      if (names !== "") ctx.log.warn("only ids let people in, names do not", { account: id, names });
      if (webhookUrl === undefined) continue;
      ctx.http({
        method: "POST",
        path: webhookPath ?? (id === "default" ? "/webhook" : `/webhook/${id}`),
        summary: `Where Telegram delivers what was written to "${id}"`,
        auth: { kind: "own", check: ({ headers }: PluginRequestHead) => of(id).isTelegram(headers) },
        handle: async (request) => {
          await of(id).deliver(request.json());
          return {};
        },
      });
    }
    ctx.channel({
      id: "telegram",
      label: "Telegram",
      accounts: wanted.map(([id, settings]) => ({
        id,
        ...(settings.name !== undefined && { name: settings.name }),
        policy: policyOf(settings),
      })),
      run: ({ id }, link) => of(id).run(link),
      send: (message) => of(message.accountId).send(message),
      typing: (chat) => of(chat.accountId).typing(chat),
      logout: (id) => of(id).logout(),
    });
    return { handlers: {} };
  },
});
