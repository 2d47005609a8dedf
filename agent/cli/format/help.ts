/** What users read of --format: a reminder in the help of every listing, and `vipmesh help format`. */

/** Below the options of every command that takes --format. */
export const FORMAT_NOTE = `--format takes a template applied to each item, such as '{{.Name}}\\t{{.ID}}',
or 'table' and a template; a path applied to each item, such as '$.spec.name';
or json. All of it is in 'vipmesh help format'.`;

export const FORMAT_HELP = `--format says how a listing, or an inspect, prints its items. It takes one of

  '{{.Name}}\\t{{.Replicas}}'
      A Go-like template, printed once for each item. Field names match in any
      case. The columns of the listing are fields ({{.ID}}, {{.CurrentState}}),
      and so is all that --json shows ({{.Spec.Name}}, {{json .}}). A missing
      field is '<no value>'. There are range, if, with, else, end, $variables
      and pipes, and the functions
        json upper lower title join split truncate pad len index
        print println printf eq ne lt le gt ge and or not

  'table {{.ID}}\\t{{.Name}}'
      The same, aligned and with headings.

  '$.vips[0].address'  '.spec.name'
      A JSON path, applied to each item by itself, as --json shows it: what is
      '$[0].spec.name' in the whole output of --json is '$.spec.name' here. It
      has fields, [n] (from the end if negative), [*] and ['a key'].
      Every value found is a line. A path that fits no item is an error.

  json
      Each item as one line of JSON.

Examples:
  vipmesh service ls --format '{{.Name}}\\t{{.Replicas}}'
  vipmesh service inspect --format '{{range .Vips}}{{.Address}} {{end}}' vote
  vipmesh task ls --format 'table {{.Name}}\\t{{.Address}}'
  vipmesh task inspect --format '$.addresses[*].address' vote.1
  vipmesh network ls --format json
`;
