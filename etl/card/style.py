"""The page's style. Colours were chosen to stay apart for colour-blind readers, on white, on black and on paper."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --page: #faf9f7; --raised: #ffffff; --ink: #22252a; --dim: #686d76; --line: #e3e0da; --tile: #f1efeb;
  --accent: #a8386b; --warn: #8a4b00; --warn-page: #fdf2dd;
  --s0: #3a6fb7; --s1: #e2a032; --s2: #2c9a84; --s3: #96589f; --s4: #7b8794; --s5: #c8553d;
  --red: #d0453b; --green: #3c9a4e; --blue: #3f73d0;
}
/* Paper is always light. */
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #16181c; --raised: #1e2126; --ink: #e4e6ea; --dim: #9aa1ac; --line: #33373e; --tile: #262a30;
    --accent: #f08ab4; --warn: #f3c77a; --warn-page: #3a2d14;
    --s0: #6a9de0; --s1: #e8b254; --s2: #4fbfa6; --s3: #bd86c8; --s4: #98a2ae; --s5: #e07b63;
    --red: #ea7068; --green: #62bd74; --blue: #7099ea;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body {
  margin: 0 auto; padding: 0 24px 64px; max-width: 1128px; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif;
  -webkit-print-color-adjust: exact; print-color-adjust: exact;
}
a { color: var(--accent); }
h1 { margin: 0; font-size: 40px; line-height: 1.15; letter-spacing: -.02em; overflow-wrap: anywhere; }
h2 { margin: 0 0 8px; font-size: 22px; letter-spacing: -.01em; }
h3 { margin: 20px 0 6px; font-size: 15px; overflow-wrap: anywhere; }
p { margin: 0 0 12px; max-width: 78ch; }
code, pre { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
code, .name { overflow-wrap: anywhere; unicode-bidi: isolate; }
.what code { font-size: .85em; }
.unbroken { white-space: nowrap; }
.specs code { overflow-wrap: normal; white-space: nowrap; }
.dim, .ends { color: var(--dim); font-weight: 400; }

header { padding-top: 48px; }
.kind {
  margin: 0 0 4px; color: var(--accent); font-size: 13px; font-weight: 600; letter-spacing: .06em;
  text-transform: uppercase;
}
.what { margin: 10px 0 22px; font-size: 18px; }
.equation { display: flex; flex-wrap: wrap; align-items: center; gap: 12px; }
.tile {
  display: flex; flex-direction: column; min-width: 128px; padding: 12px 18px; border: 1px solid var(--line);
  border-radius: 12px; background: var(--raised); color: inherit; text-decoration: none;
}
.tile b { font-size: 28px; line-height: 1.15; letter-spacing: -.02em; font-variant-numeric: tabular-nums; }
.tile span { color: var(--dim); font-size: 13px; }
.sign { color: var(--dim); font-size: 24px; }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; margin-top: 22px; font-size: 14px; }
nav a { text-decoration: none; }
nav a:hover, .tile:hover b { text-decoration: underline; }
section { margin-top: 36px; padding-top: 28px; border-top: 1px solid var(--line); }

.classes.dense { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 500px), 1fr)); gap: 0 32px; }
.class { min-width: 0; break-inside: avoid; }
.grid { display: grid; grid-template-columns: repeat(8, 1fr); gap: 6px; }
.grid > * {
  display: block; width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: 6px; background: var(--tile);
  overflow: hidden;
}
.grid .tiny { image-rendering: pixelated; }
.grid .none { display: grid; place-items: center; color: var(--dim); font-size: 11px; text-align: center; }

.scroll { overflow-x: auto; margin: 8px 0 12px; }
table { min-width: min(100%, 560px); border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td {
  padding: 5px 12px 5px 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top;
  font-weight: 400;
}
thead th { color: var(--dim); font-size: 13px; vertical-align: bottom; }
tbody tr:last-child > * { border-bottom: 0; }
tr { break-inside: avoid; }
.n { padding-left: 12px; padding-right: 0; text-align: right; }
td.n, .channels .n { white-space: nowrap; }
.bars, .full { width: 100%; }
.bars th, .bars td { padding-top: 3px; padding-bottom: 3px; border-bottom: 0; vertical-align: middle; }
.bars tbody th { width: 1%; min-width: 64px; }
.bars .name { display: block; max-width: 240px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.bars td:nth-child(2) { min-width: 120px; }
.bars .n { width: 1%; }
.reasons th, .reasons td {
  padding-top: 8px; padding-bottom: 8px; border-bottom: 1px solid var(--line); vertical-align: top;
}
.reasons tbody th { width: 26%; min-width: 160px; }
.reasons td:nth-child(2) { width: 16%; }
.reasons td:nth-child(4), .reasons th:nth-child(4) { padding-left: 24px; }
ul { margin: 0; padding: 0; list-style: none; }
li + li { margin-top: 4px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr)); gap: 0 40px; }
details { margin-top: 12px; }
summary { color: var(--accent); cursor: pointer; }

svg { display: block; overflow: hidden; }
.bar { width: 100%; height: 14px; border-radius: 3px; }
.thick .bar { height: 30px; border-radius: 6px; }
.columns { width: 100%; height: 150px; border-bottom: 1px solid var(--line); }
.spread { width: 100%; height: 18px; }
.axis { stroke: var(--line); }
.mean { stroke-width: 3; }
.target { stroke: var(--ink); stroke-dasharray: 5 4; }
.s0 { fill: var(--s0); } .s1 { fill: var(--s1); } .s2 { fill: var(--s2); }
.s3 { fill: var(--s3); } .s4 { fill: var(--s4); } .s5 { fill: var(--s5); }
.red { fill: var(--red); stroke: var(--red); } .green { fill: var(--green); stroke: var(--green); }
.blue { fill: var(--blue); stroke: var(--blue); }
.range { fill-opacity: .35; stroke: none; }
.legend {
  display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 8px 0 12px; max-width: none; color: var(--dim);
  font-size: 13px;
}
.legend > span { display: inline-flex; align-items: center; gap: 6px; }
.swatch { display: inline-block; flex: none; width: 12px; height: 12px; border-radius: 3px; }
.swatch.large { width: 28px; height: 14px; margin-left: 6px; vertical-align: -2px; }
.dash { width: 22px; border-top: 2px dashed var(--ink); }
.ends { display: flex; justify-content: space-between; max-width: none; margin-top: 4px; font-size: 13px; }
.warning { padding: 8px 14px; border-radius: 8px; background: var(--warn-page); color: var(--warn); }

dl.facts {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr)); gap: 0 32px;
  margin: 0;
}
.facts div {
  display: flex; justify-content: space-between; gap: 16px; padding: 3px 0;
  border-bottom: 1px solid var(--line); break-inside: avoid;
}
dt { flex: none; color: var(--dim); }
dd { margin: 0; text-align: right; }
pre {
  margin: 0 0 12px; padding: 14px 16px; overflow-x: auto; border: 1px solid var(--line); border-radius: 10px;
  background: var(--raised);
}
pre code { overflow-wrap: normal; }
.fingerprint { margin-bottom: 4px; }

@media (max-width: 640px) {
  body { padding: 0 16px 48px; }
  header { padding-top: 28px; }
  h1 { font-size: 32px; }
  .what { font-size: 16px; }
  .equation { gap: 8px; }
  .tile { min-width: 0; padding: 8px 12px; }
  .tile b { font-size: 20px; }
  .sign { font-size: 18px; }
  .grid { grid-template-columns: repeat(4, 1fr); }
  /* Of a class's counts the bar's colours remain, of a channel's numbers those from 0 to 255. */
  .counts .n:not(:last-child), .channels .n:nth-child(n + 5) { display: none; }
  .bars .name { max-width: 130px; }
  .reasons thead { display: none; }
  .reasons tr { display: grid; grid-template-columns: 1fr auto; border-bottom: 1px solid var(--line); padding: 8px 0; }
  .reasons tbody tr > * { width: auto; max-width: none; padding: 2px 0; border: 0; }
  .reasons td:nth-child(2), .reasons td:nth-child(4) { grid-column: 1 / -1; }
  .reasons td:nth-child(2) { order: 1; }
  .reasons td:nth-child(4) { order: 2; padding-left: 0; }
}
@media print {
  body { max-width: none; padding: 0; background: none; font-size: 12px; }
  nav, details { display: none; }
  section { margin-top: 20px; padding-top: 16px; }
  h2, h3 { break-after: avoid; }
  pre { white-space: pre-wrap; }
  .scroll { overflow: visible; }
}
"""
