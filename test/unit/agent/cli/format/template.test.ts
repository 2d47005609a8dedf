import test from 'ava';
import { FormatError } from '../../../../../agent/cli/format/lookup.js';
import { parseTemplate, runTemplate } from '../../../../../agent/cli/format/template.js';

const SERVICE = {
  id: 'abc',
  spec: { name: 'vote', labels: { b: '2', a: '1' }, internal: false, replicas: 3, ports: [] as unknown[] },
  vips: [
    { networkId: 'n1', address: '10.0.1.2' },
    { networkId: 'n2', address: '10.0.2.2' },
  ],
};

const run = (template: string, value: unknown = SERVICE): string => runTemplate(parseTemplate(template), value);

test('fields, in any case, and the dot', (t) => {
  t.is(run('{{.id}} {{.ID}} {{.Spec.Name}} {{ .spec.NAME }}'), 'abc abc vote vote');
  t.is(run('{{.}}', 'text'), 'text');
  t.is(run('{{.Spec.Replicas}}/{{.Spec.Internal}}'), '3/false');
  t.is(run('{{.x}}', { X: 'upper', x: 'exact' }), 'exact');
});

test('a missing field is <no value>, however deep', (t) => {
  t.is(run('{{.Nothing}} {{.Nothing.At.All}} {{.id.length}}'), '<no value> <no value> <no value>');
});

test('objects and lists print as JSON; json does so for everything', (t) => {
  t.is(run('{{.Spec.Labels}}'), '{"b":"2","a":"1"}');
  t.is(run('{{json .id}} {{json .Vips}} {{json .Nothing}}'), '"abc" [{"networkId":"n1","address":"10.0.1.2"},{"networkId":"n2","address":"10.0.2.2"}] null');
});

test('text keeps what it is, and \\t and \\n are a tab and a new line', (t) => {
  t.is(run('a\\tb\\n{{.id}} } { \\\\t'), 'a\tb\nabc } { \\t');
});

test('range over lists and objects, with else and variables', (t) => {
  t.is(run('{{range .Vips}}{{.Address}},{{end}}'), '10.0.1.2,10.0.2.2,');
  t.is(run('{{range $i, $v := .Vips}}{{$i}}={{$v.Address}} {{end}}'), '0=10.0.1.2 1=10.0.2.2 ');
  t.is(run('{{range $k, $v := .Spec.Labels}}{{$k}}={{$v}};{{end}}'), 'a=1;b=2;');
  t.is(run('{{range .Spec.Ports}}x{{else}}none{{end}} {{range .Nothing}}x{{else}}none{{end}}'), 'none none');
  t.is(run('{{range .Vips}}{{$.id}}{{end}}'), 'abcabc');
  t.is(run('{{range .Vips}}{{range $.Spec.Labels}}{{.}}{{end}} {{end}}'), '12 12 ');
});

test('if, else if, else, with', (t) => {
  const text = '{{if eq . 1}}one{{else if eq . 2}}two{{else}}many{{end}}';
  t.deepEqual([1, 2, 3].map((n) => run(text, n)), ['one', 'two', 'many']);
  t.is(run('{{if .Spec.Internal}}in{{else}}out{{end}}{{if .Spec.Ports}}ports{{end}}'), 'out');
  t.is(run('{{with .Spec}}{{.Name}}{{end}}{{with .Nothing}}x{{else}} {{.id}}{{end}}'), 'vote abc');
  t.is(run('{{if and .id (not .Spec.Internal) (gt .Spec.Replicas 2)}}yes{{end}}'), 'yes');
  t.is(run('{{if or .Nothing (eq .Spec.Name "x" "vote")}}yes{{end}}'), 'yes');
});

test('variables live to the end of their block', (t) => {
  t.is(run('{{$n := .Spec.Name}}{{range .Vips}}{{$n}} {{end}}'), 'vote vote ');
  t.throws(() => run('{{if .id}}{{$x := 1}}{{end}}{{$x}}'), { instanceOf: FormatError, message: '$x is not set here' });
});

test('functions and pipes', (t) => {
  t.is(run('{{.Spec.Name | upper}} {{lower "ABC"}} {{title "a b"}}'), 'VOTE abc A B');
  t.is(run('{{len .Vips}} {{len .id}} {{index .Vips 1 "address"}} {{index .Spec.Labels "a"}}'), '2 3 10.0.2.2 1');
  t.is(run('{{join (split "a,b,c" ",") "-"}} {{truncate "abcdef" 3}} [{{pad "x" 1 2}}]'), 'a-b-c abc [ x  ]');
  t.is(run('{{printf "%-5s|%3d|%q|%v%%" .id 7 "a" true}}'), 'abc  |  7|"a"|true%');
  t.is(run('{{printf "%s-%s" .id (upper .id) | lower}}'), 'abc-abc');
  t.is(run('{{print "a" 1}} {{println "b"}}'), 'a 1 b\n');
  t.is(run('{{lt 1 2}} {{ge "b" "a"}} {{ne 1 1}}'), 'true true false');
});

test('literals, comments and trimming', (t) => {
  t.is(run('{{"a\\tb"}} {{`raw\\n`}} {{"}}"}} {{true}} {{-3}}{{/* nothing */}}'), 'a\tb raw\\n }} true -3');
  t.is(run('a  {{- .id -}}  b {{- 3}}'), 'aabcb3');
});

for (const [template, message] of [
  ['{{.id', "'{{' without '}}' at '{{.id'"],
  ['{{end}}', "'{{end}}' without a {{range}}, {{if}} or {{with}} before it"],
  ['{{range .x}}a', "'{{range .x}}' has no {{end}}"],
  ['{{if .x}}a{{else}}b', "'{{if .x}}' has no {{end}} after its {{else}}"],
  ['{{if}}a{{end}}', "'{{if}}' is not complete"],
  ['{{nme}}', /^unknown function 'nme' in '{{nme}}'.*a field begins with a dot$/],
  ['{{.a .b}}', "a value is not expected in '{{.a .b}}'"],
  ['{{.a | .b}}', "only a function can follow '|' in '{{.a | .b}}'"],
  ['{{(upper .a}}', "'(' without ')' in '{{(upper .a}}'"],
  ['{{.a ! }}', /makes no sense$/],
  ['{{"\\x"}}', /is not an escape/],
] as const) {
  test(`refused: ${template}`, (t) => {
    t.throws(() => parseTemplate(template), { instanceOf: FormatError, message: message as string });
  });
}

test('a function that cannot take what it is given says so', (t) => {
  t.throws(() => run('{{range .id}}x{{end}}'), { instanceOf: FormatError, message: 'range wants a list or an object, not abc' });
  t.throws(() => run('{{join .id ","}}'), { instanceOf: FormatError, message: 'join wants a list, not abc' });
  t.throws(() => run('{{lt .id 1}}'), { instanceOf: FormatError, message: 'cannot compare abc with 1' });
  t.throws(() => run('{{len 3}}'), { instanceOf: FormatError });
  t.throws(() => run('{{printf "%s"}}'), { instanceOf: FormatError, message: /more verbs than values/ });
  t.throws(() => run('{{printf "%x" 1}}'), { instanceOf: FormatError, message: /does not know '%x'/ });
});
