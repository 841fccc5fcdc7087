// How a report looks, on a screen and on paper. No text of the record is in it.

export const STYLE = `
:root { font: 14px/1.45 "Helvetica Neue", Arial, "Liberation Sans", "DejaVu Sans", sans-serif; color: #111; background: #fff; }
body { max-width: 1100px; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.9rem; margin: 0 0 .6rem; }
h2 { font-size: 1.3rem; margin: 2rem 0 .5rem; border-bottom: 2px solid #4c78a8; padding-bottom: .2rem; }
h3 { font-size: 1.05rem; margin: 1.2rem 0 .3rem; }
h4 { font-size: .95rem; margin: .3rem 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
dt { font-weight: bold; }
dd { margin: 0; overflow-wrap: anywhere; }
a { color: #1f4e79; }
nav ol { columns: 2; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1.5rem; }
ul { margin: .2rem 0; padding-left: 1.2rem; }
.numbers { display: grid; grid-template-columns: repeat(5, 1fr); gap: .5rem; margin: .8rem 0; }
.numbers div { border: 1px solid #ccc; border-radius: 4px; padding: .4rem .6rem; break-inside: avoid; }
.numbers b { display: block; font-size: 1.3rem; font-variant-numeric: tabular-nums; }
.numbers span { font-size: .8rem; }
figure { margin: 1.2rem 0; break-inside: avoid; }
figcaption { font-size: .85rem; color: #333; }
svg { width: 100%; max-width: 900px; height: auto; }
svg text { font-size: 11px; font-family: inherit; }
svg text:not([fill]) { fill: #111; }
table { border-collapse: collapse; width: 100%; font-size: .8rem; }
th, td { border: 1px solid #ccc; padding: .2rem .35rem; text-align: left; vertical-align: top; overflow-wrap: anywhere; white-space: pre-line; }
th { background: #eef2f6; overflow-wrap: normal; }
tr { break-inside: avoid; }
thead { display: table-header-group; }
td.at, td.began, td.asked, td.from, td.to, td.until, td.session { white-space: nowrap; }
td.text, td.line, td.digest, td.version, td.versions, td.session, td.policy { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .72rem; }
td.who { min-width: 8rem; }
td.connection, td.rule { min-width: 4.5rem; }
td.entry, td.operation, td.lines, td.sessions, td.results { font-variant-numeric: tabular-nums; text-align: right; }
.none { font-style: italic; }
.left { font-weight: bold; }
pre { background: #f4f4f4; padding: .6rem; overflow-wrap: anywhere; white-space: pre-wrap; }
strong { color: #a01515; }
@page { size: A4 landscape; margin: 16mm 12mm 14mm; @top-left { content: "hoopctl evidence report"; font: 8pt Arial, sans-serif; } @top-right { content: "verify: hoopctl audit verify . --key VKEY"; font: 8pt Arial, sans-serif; } @bottom-right { content: counter(page) " of " counter(pages); font: 8pt Arial, sans-serif; } }
@media print {
  :root { font-size: 10px; }
  body { max-width: none; margin: 0; padding: 0; }
  h2, h3, h4 { break-after: avoid; }
  article { break-inside: avoid; }
  svg { max-width: 640px; }
  #summary, #access { break-before: page; }
  a { color: inherit; text-decoration: none; }
}
`;
