// What the business has configured, as the widget uses it: both kinds in one shape, every value
// read with suspicion.
import { type Palette, webchatPalette, widgetPalette } from './color';
import { safeUrl } from './links';
import { type Locale, pickLocale } from './locales';
import type { ChannelLink, Embed } from './wire';

export interface Settings {
  kind: 'widget' | 'webchat';
  businessId: string;
  name: string;
  heading: string;
  tagline: string;
  // A sentence of the business's own instead of "We are online".
  statusText: string;
  starter: string;
  logo: string | null;
  showsOnline: boolean;
  asksCsat: boolean;
  csatThanks: string;
  position: { top: boolean; side: 'left' | 'right'; x: number; y: number; z: number };
  channels: ChannelLink[];
  locale: Locale;
  // 'auto' follows the visitor's system.
  scheme: 'light' | 'dark' | 'auto';
  palette(dark: boolean): Palette;
}

const kTopmost = 2147483000;
const kNames: Record<string, string> = {
  email: 'E-mail',
  instagram: 'Instagram',
  line: 'LINE',
  sms: 'SMS',
  telegram: 'Telegram',
  whatsapp: 'WhatsApp',
  x: 'X',
};

export function channelName(type: string): string {
  return kNames[type] ?? type;
}

export function readSettings(embed: Embed, base: string, languages: readonly unknown[]): Settings {
  const config = embed.config ?? {};
  const webchat = embed.webchat ?? {};
  const isWebchat = embed.kind === 'webchat';
  const of = isWebchat ? webchat : config;
  const locale = pickLocale([of.locale, ...languages]);
  const scheme = config.color_scheme;
  const position = text(of.position);
  const number = (value: unknown, otherwise: number, most: number) =>
    typeof value === 'number' && value >= 0 && value <= most ? Math.round(value) : otherwise;
  const side = /left/.test(position) || (!/right/.test(position) && locale.rtl) ? 'left' : 'right';
  return {
    kind: embed.kind,
    businessId: embed.business_id,
    name: text(webchat.name) || text(embed.name),
    heading: text(embed.welcome_heading),
    tagline: text(embed.welcome_tagline),
    statusText: text(webchat.statusText),
    starter: text(webchat.starterMessage) || text(config.starter_message),
    logo: safeUrl(isWebchat ? webchat.icon : embed.logo_url, base),
    showsOnline: isWebchat ? !text(webchat.statusText) : embed.show_online_badge !== false,
    asksCsat: isWebchat ? true : config.csat === true,
    csatThanks: text(webchat.csatThankYouMessage),
    position: {
      top: /^top/.test(position),
      side,
      x: number(of.offsetX ?? of.offset_x, isWebchat ? 24 : 20, 1000),
      y: number(of.offsetY ?? of.offset_y, isWebchat ? 24 : 20, 1000),
      z: number(of.zIndex ?? of.z_index, isWebchat ? 9999 : kTopmost, 2147483647),
    },
    channels: (Array.isArray(embed.channels) ? embed.channels : []).flatMap((channel) => {
      const url = safeUrl(channel?.url);
      return url && typeof channel.type === 'string' ? [{ type: channel.type, url }] : [];
    }),
    locale,
    scheme: isWebchat ? 'light' : scheme === 'light' || scheme === 'dark' ? scheme : 'auto',
    palette: (dark) =>
      isWebchat ? webchatPalette(webchat) : widgetPalette(embed.primary_color, dark),
  };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
