//! Reports in LaTeX: tables with the rules of the package booktabs, to be taken into a paper with `\input`.

use super::document::{Document, DocumentCell, DocumentTable, document};
use super::format::Report;
use super::provenance::Provenance;
use crate::text::{elide, printable};
use std::collections::HashMap;

/// The longest name in a table, in columns.
const LONGEST_NAME: usize = 40;

pub(super) fn as_tex(report: Report<'_>, provenance: Option<&Provenance>) -> anyhow::Result<String> {
    let Document { title, facts, tables, notes, failed } = document(report)?;
    let mut lines = vec!["The preamble needs \\usepackage{booktabs}.".to_owned(), title];
    lines.extend(facts);
    lines.extend(provenance.map(ToString::to_string));
    let mut parts = vec![comments(&lines)];
    // A label may be defined once, and a comparison of several runs has a table of each kind for each.
    let mut labels: HashMap<&str, usize> = HashMap::new();
    for document in &tables {
        let number = labels.entry(document.label).or_default();
        *number += 1;
        parts.push(table(document, *number));
    }
    if !notes.is_empty() {
        parts.push(comments(&notes));
    }
    if !failed.is_empty() {
        parts.push(comments(&failed.iter().map(|what| format!("FAILED: {what}")).collect::<Vec<_>>()));
    }
    Ok(parts.join("\n"))
}

/// Lines that LaTeX does not read. A line feed in one of them is written as text.
fn comments(lines: &[String]) -> String {
    lines.iter().map(|line| format!("% {}\n", printable(line))).collect()
}

/// The most characters in a row of a table, with two for each gap, that are as wide as the text of an article.
const WIDEST: usize = 86;

/// The most rows in letters of the usual size for a table; more go on one page in smaller ones.
const MOST_ROWS: usize = 40;

fn table(table: &DocumentTable, number: usize) -> String {
    let number = if number > 1 { format!("-{number}") } else { String::new() };
    let rows = || table.rows.iter().take(table.shown).chain(&table.sums);
    let text = |cell: &DocumentCell| elide(&cell.text, LONGEST_NAME);
    let width = |column: usize| {
        let cells = rows().chain([&table.head]).map(|cells| text(&cells[column]).chars().count() + 2);
        cells.max().unwrap_or(0)
    };
    let figures = table.figures_within(WIDEST, |figures| {
        (0..table.head.len()).filter(|&column| table.has_column(column, figures)).map(width).sum()
    });
    let columns: Vec<usize> = (0..table.head.len()).filter(|&at| table.has_column(at, &figures)).collect();
    let row = |cells: &Vec<DocumentCell>| {
        let cells: Vec<String> = columns.iter().map(|&at| escaped(&text(&cells[at]))).collect();
        format!("    {} \\\\\n", cells.join(" & "))
    };
    let texts = "l".repeat(table.text_columns);
    let alignment = texts + &"r".repeat(columns.len() - table.text_columns);
    let size = match rows().count() {
        ..=MOST_ROWS => "footnotesize",
        _ => "scriptsize\\renewcommand{\\arraystretch}{0.85}",
    };
    let mut tex = format!(
        "\\begin{{table}}\n  \\centering\\{size}\\setlength{{\\tabcolsep}}{{3pt}}\n  \\caption{{{}}}\n  \\label{{tab:neurotop-{}{number}}}\n",
        escaped(&printable(&table.caption)),
        table.label.replace('_', "-"),
    );
    tex.push_str(&format!(
        "  \\begin{{tabular}}{{{alignment}}}\n    \\toprule\n{}    \\midrule\n",
        row(&table.head)
    ));
    table.rows.iter().take(table.shown).for_each(|cells| tex.push_str(&row(cells)));
    if !table.rest.is_empty() {
        let rest = escaped(&table.rest);
        tex.push_str(&format!("    \\multicolumn{{{}}}{{l}}{{{rest}}} \\\\\n", columns.len()));
    }
    if !table.sums.is_empty() {
        tex.push_str("    \\midrule\n");
    }
    table.sums.iter().for_each(|sum| tex.push_str(&row(sum)));
    tex.push_str("    \\bottomrule\n  \\end{tabular}\n\\end{table}\n");
    tex
}

/// Text that LaTeX shows as it is, with the fonts and the encoding that every installation has. A character beyond those
/// is named by its number: an unknown one would stop LaTeX.
fn escaped(text: &str) -> String {
    let mut tex = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => tex.push_str("\\textbackslash{}"),
            '^' => tex.push_str("\\textasciicircum{}"),
            '~' => tex.push_str("\\textasciitilde{}"),
            '<' => tex.push_str("\\textless{}"),
            '>' => tex.push_str("\\textgreater{}"),
            '|' => tex.push_str("\\textbar{}"),
            '"' => tex.push_str("\\textquotedbl{}"),
            '`' => tex.push_str("\\textasciigrave{}"),
            '\'' => tex.push_str("\\textquotesingle{}"),
            '{' | '}' | '$' | '&' | '#' | '_' | '%' => tex.extend(['\\', character]),
            // A row that begins with a bracket would be read as an argument of the row before; two hyphens become a dash.
            '[' | ']' | '-' => tex.extend(['{', character, '}']),
            '±' => tex.push_str("$\\pm$"),
            '−' => tex.push_str("$-$"),
            '×' => tex.push_str("$\\times$"),
            '÷' => tex.push_str("$\\div$"),
            '∞' => tex.push_str("$\\infty$"),
            '·' => tex.push_str("$\\cdot$"),
            '–' => tex.push_str("--"),
            '…' => tex.push_str("\\dots{}"),
            ' '..='~' => tex.push(character),
            'À'..='Ö' | 'Ø'..='ö' | 'ø'..='ÿ' => tex.push(character),
            _ => tex.push_str(&format!("\\texttt{{U+{:04X}}}", u32::from(character))),
        }
    }
    tex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_latex_gives_a_meaning_is_escaped() {
        for (text, tex) in [
            ("lif1", "lif1"),
            ("layers.1_a", "layers.1\\_a"),
            ("50 % & $x$ #1", "50 \\% \\& \\$x\\$ \\#1"),
            ("\\input{/etc/passwd}", "\\textbackslash{}input\\{/etc/passwd\\}"),
            ("a^b~c", "a\\textasciicircum{}b\\textasciitilde{}c"),
            ("[1mm]--", "{[}1mm{]}{-}{-}"),
            ("27,940 ± 440", "27,940 $\\pm$ 440"),
            ("é 層 –", "é \\texttt{U+5C64} --"),
            (
                "<a|b>\"'`",
                "\\textless{}a\\textbar{}b\\textgreater{}\\textquotedbl{}\\textquotesingle{}\\textasciigrave{}",
            ),
        ] {
            assert_eq!(escaped(text), tex);
        }
    }

    #[test]
    fn a_comment_stays_one() {
        assert_eq!(comments(&["a\n\\end{document}".to_owned()]), "% a\\u{a}\\end{document}\n");
    }
}
