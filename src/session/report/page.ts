// A report as one HTML file: no script, nothing from elsewhere, pictures in it, made to be printed. Refuses to know: the record.

import { matrixChart, operationsChart, reviewsChart, versionsChart } from './charts.ts';
import { ALWAYS, CONTROLS } from './controls.ts';
import { Markup, markup } from './markup.ts';
import { STYLE } from './style.ts';
import { TABLES } from './tables.ts';
import type { Report, SectionName, Table } from './types.ts';

export function page(report: Report): string {
  const ids = report.controls.map(({ id }) => id).join(', ');
  const title = `Evidence for ${ids}, ${span(report)}`;
  const sections = Object.entries(report.sections) as [SectionName, Table][];
  const made = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<header>
<h1>Evidence for ${ids}</h1>
${facts(report)}
</header>
<nav aria-label="Contents"><h2>Contents</h2><ol>
<li><a href="#controls">The controls: what the record shows, and what it cannot</a></li>
<li><a href="#summary">In numbers</a></li>
<li><a href="#verification">What was verified, and how to do it again</a></li>
${sections.map(
  ([name]) => markup`<li><a href="#${name}">${TABLES[name].title}</a></li>
`,
)}</ol></nav>
<main>
${controls(report)}
${summary(report)}
${verification(report)}
${sections.map(([name, table]) => section(name, table, report))}
</main>
</body>
</html>
`;
  return made.text;
}

const span = ({ from, to }: Report): string => `${from} to ${to}`;

function facts({ from, to, seed, sample, log }: Report): Markup {
  const told: readonly (readonly [string, string])[] = [
    ['Span', `${from} up to, not including, ${to}. All times are UTC.`],
    ['Record', `the log ${log.origin}, entries ${log.entries}`],
    ['Sample', `${sample} sessions by the seed “${seed}”`],
  ];
  return markup`<dl>${told.map(([name, value]) => markup`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

function controls(report: Report): Markup {
  const items = (all: readonly string[]) => markup`<ul>${all.map((one) => markup`<li>${one}</li>`)}</ul>`;
  return markup`<section id="controls"><h2>The controls: what the record shows, and what it cannot</h2>
${report.controls.map(({ id, title }) => {
  const { shows, cannot } = CONTROLS[id];
  return markup`<article><h3>${id}: ${title}</h3><div class="pair"><div><h4>The record shows</h4>${items(shows)}</div><div><h4>It cannot show</h4>${items(cannot)}</div></div></article>
`;
})}<article><h3>Whatever the control, it cannot show</h3>${items(ALWAYS)}</article></section>`;
}

function summary(report: Report): Markup {
  const [from, to] = [Date.parse(report.from), Date.parse(report.to)];
  const numbers = Object.entries(report.summary);
  const charts = [
    operationsChart(report.days, from, to),
    matrixChart(report.matrix),
    ...(report.versions.length === 0 ? [] : [versionsChart(report.versions, from, to)]),
    ...(report.stretches.length === 0 ? [] : [reviewsChart(report.stretches, from, to)]),
  ];
  return markup`<section id="summary"><h2>In numbers</h2><div class="numbers">${numbers.map(([name, value]) => markup`<div><b>${value}</b><span>${name}</span></div>`)}</div>
${charts}</section>`;
}

function verification({ verification: { log, recordings, wrong, missing } }: Report): Markup {
  const tree =
    log.length === 0
      ? markup`The log’s entries, tree and signature are as they should be.`
      : markup`<strong>The log is not as it should be: ${log.join(', ')}.</strong>`;
  const files =
    wrong.length === 0
      ? markup`Each of the ${recordings} recordings in this bundle has its chain and its seal, and the digest that the log says.`
      : markup`<strong>Not as the log says, of ${recordings} recordings in this bundle: ${wrong.join(', ')}.</strong>`;
  const gone =
    missing.length === 0
      ? undefined
      : markup` Recordings that should be here and are not there any more: ${missing.join(', ')}; what became of them stands among the exceptions.`;
  return markup`<section id="verification"><h2>What was verified, and how to do it again</h2>
<p>When this report was made: ${tree} ${files}${gone}</p>
<p>Do not take this page’s word for it. This file, <code>report.json</code> and the recordings are bound by <code>bundle.json</code>, whose SHA-256 stands in the log of this bundle in an entry of kind <code>export</code>, under the log’s signature: with who had it made, and when. From the bundle alone, without network or gateway:</p>
<pre>hoopctl audit verify . --key VKEY</pre>
<p>VKEY is the log’s key, which you have from elsewhere (<code>hoopctl audit checkpoint --key</code>). Checkpoints that you kept go with <code>--since</code>. README.txt tells how to check a recording with nothing but Python. Numbers and tables are about all sessions of the span; those whose recordings are not in this bundle can be checked where the record is: a report made again with the same span, seed and sizes has the same bundle.json.</p></section>`;
}

function section(name: SectionName, { rows, total }: Table, { rowsListed }: Report): Markup {
  const { title, about, columns } = TABLES[name];
  const used = columns.filter(([key]) => rows.some((row) => row[key] !== undefined));
  const left =
    total > rows.length
      ? markup`<p class="left">${total - rows.length} more are not listed: a table lists ${rowsListed} at most. hoopctl audit export has them all.</p>`
      : undefined;
  const body =
    rows.length === 0
      ? markup`<p class="none">None in this span.</p>`
      : markup`<table><thead><tr>${used.map(([, heading]) => markup`<th scope="col">${heading}</th>`)}</tr></thead><tbody>
${rows.map(
  (row) => markup`<tr>${used.map(([key]) => markup`<td class="${key}">${cell(row[key])}</td>`)}</tr>
`,
)}</tbody></table>`;
  return markup`<section id="${name}"><h2>${title}</h2><p>${about}</p>${body}${left}</section>
`;
}

function cell(value: string | number | boolean | undefined): string {
  return value === undefined ? '' : String(value);
}
