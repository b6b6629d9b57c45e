"""How a report looks: light, dark, on a phone and on paper."""

STYLE = """
:root { color-scheme: light dark; --page: #f5f5f2; --card: #fff; --ink: #1d2129; --quiet: #5d6470; --rule: #dcdcd6;
  --good: #1a7f4b; --bad: #b3261e; --plain: #8a919c; --mark: #b3261e; --bar: #4c78a8;
  --c0: #2f6db5; --c1: #c8641b; --c2: #2f8a5b; --c3: #8b55b0; --c4: #a8841a; --c5: #c03f6d; }
@media (prefers-color-scheme: dark) { :root { --page: #14161a; --card: #1d2026; --ink: #e7e8ea; --quiet: #a0a6b0;
  --rule: #353a43; --good: #5cc48b; --bad: #ff8a80; --plain: #6d7581; --mark: #ff8a80; --bar: #7ba7d6;
  --c0: #6aa9ee; --c1: #f09a57; --c2: #5fc493; --c3: #c296e6; --c4: #dcbd57; --c5: #f283a9; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 68rem; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: .95rem; margin: 0 0 .4rem; }
p { margin: .3rem 0; max-width: 46rem; }
.quiet { color: var(--quiet); font-size: .9rem; }
.verdict { list-style: none; margin: 0; padding: 0; background: var(--card); border: 1px solid var(--rule);
  border-radius: 8px; }
.verdict li { padding: .6rem 1rem .6rem 2.4rem; position: relative; }
.verdict li + li { border-top: 1px solid var(--rule); }
.verdict li::before { content: "\\2022"; position: absolute; left: 1rem; font-weight: 700; color: var(--plain); }
.verdict .good::before { content: "\\2713"; color: var(--good); }
.verdict .bad::before { content: "!"; color: var(--bad); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem 1.2rem;
  margin: 1rem 0; }
.facts div { border-top: 2px solid var(--rule); padding-top: .35rem; }
dt { color: var(--quiet); font-size: .82rem; }
dd { margin: 0; font-weight: 600; }
dl { margin: 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19.5rem), 1fr)); gap: 1rem;
  align-items: start; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: .8rem .9rem; min-width: 0;
  break-inside: avoid; }
.wide { overflow-x: auto; width: fit-content; max-width: 100%; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid var(--rule); font-weight: 400; }
th:first-child, td:first-child { text-align: left; padding-left: 0; overflow-wrap: normal; }
td { min-width: 6.5rem; }
@media (max-width: 34rem) { td { min-width: 3.9rem; } th, td { padding: .3rem .25rem; } }
thead th { color: var(--quiet); vertical-align: bottom; overflow-wrap: normal; }
tr.sum th, tr.sum td { font-weight: 600; border-bottom: 0; border-top: 2px solid var(--rule); }
.meter { display: block; height: 4px; border-radius: 2px; background: var(--rule); margin-top: 2px; }
.meter i { display: block; height: 4px; border-radius: 2px; background: var(--bar); }
.legend { list-style: none; margin: .3rem 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: .1rem .9rem;
  font-size: .82rem; }
.legend li::before { content: ""; display: inline-block; width: 1.1em; height: 3px; margin-right: .4em;
  vertical-align: middle; background: currentColor; }
.legend span { color: var(--ink); }
details summary { cursor: pointer; }
svg { display: block; width: 100%; height: auto; font: 11px system-ui, sans-serif; }
svg text { fill: var(--ink); } svg .quiet { fill: var(--quiet); font-size: 11px; } svg .small { font-size: 10px; }
.grid { stroke: var(--rule); } .axis { stroke: var(--quiet); } .bar { fill: var(--bar); }
.mark { stroke: var(--mark); stroke-dasharray: 4 3; } svg .marked { fill: var(--mark);
  paint-order: stroke; stroke: var(--card); stroke-width: 3px; }
.curve { fill: none; stroke-width: 1.8; stroke-linejoin: round; } .dashed { stroke-dasharray: 5 3; }
.c0 { stroke: var(--c0); color: var(--c0); } .c1 { stroke: var(--c1); color: var(--c1); }
.c2 { stroke: var(--c2); color: var(--c2); } .c3 { stroke: var(--c3); color: var(--c3); }
.c4 { stroke: var(--c4); color: var(--c4); } .c5 { stroke: var(--c5); color: var(--c5); }
.dot { fill: var(--card); stroke-width: 1.5; stroke-dasharray: none; }
.panel { fill: var(--page); } .bone { stroke-width: 2.6; stroke-linecap: round; }
.bone.p0 { stroke: var(--c0); } .bone.p1 { stroke: var(--c1); }
.joint.p0, .a { fill: var(--c0); color: var(--c0); } .joint.p1, .b { fill: var(--c1); color: var(--c1); }
.link { stroke: var(--ink); stroke-dasharray: 2 3; stroke-width: 1.4; }
.ring { fill: none; stroke: var(--ink); stroke-width: 1.4; }
@media print { :root { color-scheme: light; --page: #fff; --card: #fff; --ink: #000; --quiet: #444; --rule: #bbb;
  --good: #1a7f4b; --bad: #b3261e; --plain: #666; --mark: #b3261e; --bar: #4c78a8; --c0: #2f6db5; --c1: #c8641b;
  --c2: #2f8a5b; --c3: #8b55b0; --c4: #a8841a; --c5: #c03f6d; }
  @page { margin: 14mm; } html { font-size: 8.5pt; } body { padding: 0; max-width: none; }
  * { print-color-adjust: exact; } .cards { grid-template-columns: repeat(3, 1fr); gap: .6rem; }
  .card { padding: .5rem; } .panel { stroke: var(--rule); } tr, li, p { break-inside: avoid; }
  h2, section > p { break-after: avoid; } h2 { margin-top: 1.2rem; } }
"""
