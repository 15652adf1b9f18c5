// The sites that embed the widget, each in a page of its own.
import { createServer } from 'node:http';

const kLook = `
  body { margin: 0; font: 16px/1.6 Georgia, 'DejaVu Serif', serif; color: #2b2a28; background: #faf7f2 }
  header { display: flex; justify-content: space-between; padding: 22px 48px; border-bottom: 1px solid #e7dfd2 }
  header b { font-size: 22px; letter-spacing: .02em }
  nav { color: #8a7f70; display: flex; gap: 28px }
  main { max-width: 640px; padding: 56px 48px }
  h1 { font-size: 44px; line-height: 1.15; font-weight: 500; margin: 0 0 18px }
  .dark body, body.dark { background: #17181c; color: #d8d4cc }
  @media (prefers-color-scheme: dark) { body { background: #15161a; color: #d8d4cc } header { border-color: #2c2d33 } }
  @media (max-width: 480px) { header { padding: 16px 20px } nav { display: none } main { padding: 32px 20px } h1 { font-size: 32px } }
`;
// What a careless site does to everything.
const kCareless = `
  *, div, button, a, p { letter-spacing: 3px; text-transform: uppercase; position: relative; float: left }
`;

// What the documentation tells a site to allow (docs/WIDGET.md), and nothing else.
export function policyFor(base) {
  const socket = base.replace(/^http/, 'ws');
  return [
    "default-src 'none'",
    `script-src ${base}/widget.js`,
    `connect-src ${base} ${socket}`,
    `img-src ${base}`,
    `media-src ${base}`,
    "base-uri 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ');
}

export class Pages {
  async start() {
    this.http = createServer((request, response) => {
      const url = new URL(request.url, 'http://localhost');
      const headers = { 'Content-Type': 'text/html; charset=utf-8' };
      const base = url.searchParams.get('base') ?? '';
      const id = url.searchParams.get('id') ?? '';
      if (url.pathname === '/strict') {
        headers['Content-Security-Policy'] = policyFor(base);
        response.writeHead(200, headers).end(strict(base, id));
      } else if (url.pathname === '/shop') {
        response.writeHead(200, headers).end(shop(base, id, url.searchParams));
      } else {
        // The browser's own wish for an icon.
        response.writeHead(204).end();
      }
    });
    await new Promise((resolve) => this.http.listen(0, '0.0.0.0', resolve));
    this.port = this.http.address().port;
  }

  stop() {
    this.http.closeAllConnections?.();
    return new Promise((resolve) => this.http.close(resolve));
  }

  // `host`: localhost is the widget's domain; a browser finds every name below it here too.
  url(page, base, id, { host = 'localhost', ...more } = {}) {
    return `http://${host}:${this.port}/${page}?${new URLSearchParams({ base, id, ...more })}`;
  }
}

// The documented two lines.
function shop(base, id, parameters) {
  const variable =
    parameters.get('variable') ??
    (/^[0-9a-f]{24}$/.test(id) ? 'BackchannelWebchatId' : 'PingBackWidgetId');
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Shop</title>
<meta name="viewport" content="width=device-width,initial-scale=1">
<style>${kLook}${parameters.has('careless') ? kCareless : ''}</style>
<header><b>Acme Tea</b><nav><span>Teas</span><span>Pots</span><span>About</span></nav></header>
<main><h1>Leaves worth waiting for.</h1><p>Small gardens, short ways. We buy from eleven families
between Uji and Darjeeling, and we answer every question ourselves.</p>
<p><button id="before">A button of the page</button></p></main>
<script>window.${variable} = ${JSON.stringify(id)}; ${parameters.get('script') ?? ''}</script>
<script async src="${base}/widget.js"></script>`;
}

function strict(base, id) {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Strict</title><h1>Strict</h1>
<script async src="${base}/widget.js" data-widget-id="${id}"></script>`;
}
