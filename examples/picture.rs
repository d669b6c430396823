//! Takes the pictures in `docs/pictures`: runs the demo in a pseudo-terminal and draws its screen as SVG.
//!
//! `cargo build --release && cargo run --release --example picture`

use anyhow::{Context, Result, bail};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use vt100::{Cell, Color, Parser, Screen};

/// A picture to be taken once the text is on the screen.
struct Picture {
    name: &'static str,
    columns: u16,
    rows: u16,
    until: &'static str,
}

const PICTURES: [Picture; 1] = [Picture { name: "overview", columns: 100, rows: 28, until: "9/12 batches" }];

/// The size of a cell and the margin, in pixels.
const CELL: (f64, f64) = (8.4, 18.0);
const MARGIN: f64 = 14.0;

fn main() -> Result<()> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures");
    for picture in PICTURES {
        let screen = take(&picture).with_context(|| format!("the picture {}", picture.name))?;
        let path = directory.join(format!("{}.svg", picture.name));
        std::fs::write(&path, svg(&screen))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

/// The command that was built beside this example.
fn command() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let path = here.parent().and_then(Path::parent).context("no target directory")?.join("neurotop");
    if path.is_file() { Ok(path) } else { bail!("{} is not there; build it first", path.display()) }
}

fn take(picture: &Picture) -> Result<Screen> {
    let size = PtySize { rows: picture.rows, cols: picture.columns, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size)?;
    let mut run = CommandBuilder::new(command()?);
    run.args(["demo", "--pace", "0.4"]);
    run.env("TERM", "xterm-256color");
    run.env_remove("NO_COLOR");
    let mut child = pair.slave.spawn_command(run)?;
    let parser = Arc::new(Mutex::new(Parser::new(picture.rows, picture.columns, 0)));
    let mut output = pair.master.try_clone_reader()?;
    let feed = Arc::clone(&parser);
    std::thread::spawn(move || {
        let mut bytes = [0; 8192];
        while let Ok(count @ 1..) = output.read(&mut bytes) {
            feed.lock().expect("the screen").process(&bytes[..count]);
        }
    });
    let until = |text: &str| -> Result<Screen> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            let screen = parser.lock().expect("the screen").screen().clone();
            if screen.contents().contains(text) {
                return Ok(screen);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("{text:?} does not appear")
    };
    let screen = until(picture.until)?;
    child.kill()?;
    Ok(screen)
}

fn svg(screen: &Screen) -> String {
    let (rows, columns) = screen.size();
    let (width, height) =
        (f64::from(columns) * CELL.0 + 2.0 * MARGIN, f64::from(rows) * CELL.1 + 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"10\" fill=\"#16181d\"/>\n\
         <g font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"14\" xml:space=\"preserve\">\n"
    );
    for row in 0..rows {
        let mut column = 0;
        while column < columns {
            let end = (column..columns).find(|&end| style(screen, row, end) != style(screen, row, column));
            let end = end.unwrap_or(columns);
            draw(&mut svg, screen, row, column..end);
            column = end;
        }
    }
    svg + "</g>\n</svg>\n"
}

fn cell(screen: &Screen, row: u16, column: u16) -> &Cell {
    screen.cell(row, column).expect("within the screen")
}

/// What makes one run of cells differ from the next.
fn style(screen: &Screen, row: u16, column: u16) -> (Color, Color, bool, bool, bool) {
    let cell = cell(screen, row, column);
    (cell.fgcolor(), cell.bgcolor(), cell.bold(), cell.dim(), cell.inverse())
}

/// Draws a run of cells of one style, stretched to its cells whatever the font.
fn draw(svg: &mut String, screen: &Screen, row: u16, columns: std::ops::Range<u16>) {
    let text: String = columns
        .clone()
        .map(|column| match cell(screen, row, column).contents() {
            "" => " ",
            contents => contents,
        })
        .collect();
    let (x, y) = (MARGIN + f64::from(columns.start) * CELL.0, MARGIN + f64::from(row) * CELL.1);
    let width = f64::from(columns.end - columns.start) * CELL.0;
    let (foreground, _, bold, dim, inverse) = style(screen, row, columns.start);
    if inverse {
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"#d8dae0\"/>",
            CELL.1
        );
    }
    if text.trim().is_empty() {
        return;
    }
    let fill = if inverse { "#16181d" } else { colour(foreground) };
    let weight = if bold { " font-weight=\"bold\"" } else { "" };
    let opacity = if dim { " opacity=\"0.6\"" } else { "" };
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    let baseline = y + CELL.1 * 0.74;
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{baseline:.1}\" textLength=\"{width:.1}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{fill}\"{weight}{opacity}>{escaped}</text>"
    );
}

fn colour(colour: Color) -> &'static str {
    match colour {
        Color::Idx(1 | 9) => "#ef6b73",
        Color::Idx(2 | 10) => "#8ccf7e",
        Color::Idx(4 | 12) => "#67a6f0",
        Color::Idx(5 | 13) => "#c68aee",
        Color::Idx(6 | 14) => "#6cd3d6",
        _ => "#d8dae0",
    }
}
