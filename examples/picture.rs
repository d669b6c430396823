//! Takes the pictures in `docs/pictures`: runs the dashboard in a pseudo-terminal and draws its screen as SVG. One of
//! them moves: it shows a few screens of the demo in turn.
//!
//! `cargo build --release && cargo run --release --example picture`

use anyhow::{Context, Result, bail};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use vt100::{Cell, Color, Parser, Screen};

/// The size of the terminal.
const SIZE: (u16, u16) = (110, 36);

/// A picture to take.
struct Picture {
    name: &'static str,
    arguments: Vec<String>,
    /// Texts to wait for, and the keys to press then.
    steps: &'static [(&'static str, &'static str)],
    /// Take the picture when the screen shows this text.
    until: &'static str,
}

/// The moving picture: texts to wait for, the keys to press once they are there, and for how long to show what was
/// there before the keys.
const FILM: [(&str, &str, Duration); 9] = [
    ("1/12 batches", "", Duration::from_millis(800)),
    ("3/12 batches", "", Duration::from_millis(800)),
    ("5/12 batches", "", Duration::from_millis(800)),
    ("7/12 batches", "", Duration::from_millis(800)),
    ("9/12 batches", "", Duration::from_millis(800)),
    ("11/12 batches", "", Duration::from_millis(800)),
    ("finished", "2", Duration::from_millis(2500)),
    ("at rest", "3jjj\r", Duration::from_millis(3500)),
    ("batches", "q", Duration::from_millis(3500)),
];

/// The screen that the moving picture shows where pictures cannot move.
const STILL: usize = 4;

/// The four main views.
fn pictures(place: &Path) -> [Picture; 4] {
    // No picture has what the one before has kept.
    let directory = |name: &str| {
        let path = place.join(name).to_string_lossy().into_owned();
        vec![path, "--state".to_owned(), "none".to_owned()]
    };
    [
        Picture {
            name: "overview",
            arguments: ["demo", "--pace", "0.4"].map(str::to_owned).into(),
            steps: &[],
            until: "9/12 batches",
        },
        Picture {
            name: "layer",
            arguments: directory("digits-snn"),
            steps: &[("27,693.04", "2")],
            until: "at rest",
        },
        Picture {
            name: "charts",
            arguments: directory("digits-snn"),
            steps: &[("27,693.04", "3j\rj\rj\r"), ("4 syn ", "hhhh")],
            until: "batch 8,",
        },
        Picture {
            name: "runs",
            arguments: directory("runs"),
            steps: &[("27,693.04", "gb")],
            until: "+1.17 pp",
        },
    ]
}

/// Copies the demo's run, and the same at different stages, like a benchmark with several seeds.
fn stage_runs(place: &Path) -> Result<()> {
    stage_run(&place.join("digits-snn"), "digits-snn", 0..12)?;
    for (name, batches) in [("seed-0", 0..4), ("seed-1", 0..12), ("seed-2", 3..9), ("seed-3", 6..12)] {
        stage_run(&place.join("runs").join(name), name, batches)?;
    }
    Ok(())
}

/// How long after one another the batches of a copied run seem to be written.
const PACE: Duration = Duration::from_secs(5);

fn stage_run(run: &Path, name: &str, batches: Range<u32>) -> Result<()> {
    let demo_run = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo-run");
    std::fs::create_dir_all(run)?;
    let manifest = std::fs::read_to_string(demo_run.join("manifest.json"))?;
    std::fs::write(run.join("manifest.json"), manifest.replace("digits-snn", name))?;
    for number in batches.clone() {
        let batch = format!("batch-{number:06}.npz");
        std::fs::write(run.join(&batch), std::fs::read(demo_run.join(&batch))?)?;
        let written = SystemTime::now() - PACE * (batches.end - number);
        File::options().write(true).open(run.join(&batch))?.set_modified(written)?;
    }
    Ok(())
}

/// The size of a cell and the margin, in pixels.
const CELL: (f64, f64) = (8.4, 18.0);
const MARGIN: f64 = 14.0;

fn main() -> Result<()> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures");
    let place = tempfile::tempdir()?;
    stage_runs(place.path())?;
    for picture in pictures(place.path()) {
        let screen = take(&picture).with_context(|| format!("the picture {}", picture.name))?;
        let path = directory.join(format!("{}.svg", picture.name));
        std::fs::write(&path, svg(&screen))?;
        println!("wrote {}", path.display());
    }
    let path = directory.join("demo.svg");
    std::fs::write(&path, moving_svg(&take_film()?))?;
    println!("wrote {}", path.display());
    Ok(())
}

/// The command that was built beside this example.
fn command() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let path = here.parent().and_then(Path::parent).context("no target directory")?.join("neurotop");
    if path.is_file() { Ok(path) } else { bail!("{} is not there; build it first", path.display()) }
}

/// The dashboard in a pseudo-terminal. It ends with this value.
struct Dashboard {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    parser: Arc<Mutex<Parser>>,
    /// Keeps the terminal open.
    _terminal: Box<dyn MasterPty + Send>,
}

impl Dashboard {
    fn start(arguments: &[String]) -> Result<Self> {
        let (columns, rows) = SIZE;
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size)?;
        let mut run = CommandBuilder::new(command()?);
        run.args(arguments);
        run.env("TERM", "xterm-256color");
        run.env("COLORTERM", "truecolor");
        run.env("LANG", "C.UTF-8");
        run.env_remove("NO_COLOR");
        let child = pair.slave.spawn_command(run)?;
        let parser = Arc::new(Mutex::new(Parser::new(rows, columns, 0)));
        let mut output = pair.master.try_clone_reader()?;
        let keys = pair.master.take_writer()?;
        let feed = Arc::clone(&parser);
        std::thread::spawn(move || {
            let mut bytes = [0; 8192];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                feed.lock().expect("the screen").process(&bytes[..count]);
            }
        });
        Ok(Self { child, keys, parser, _terminal: pair.master })
    }

    fn screen(&self) -> Screen {
        self.parser.lock().expect("the screen").screen().clone()
    }

    /// Waits until the screen shows a text, and until it has drawn the rest.
    fn wait_for(&self, text: &str) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            if self.screen().contents().contains(text) {
                // The dashboard draws the effect of the last keys within a frame or two.
                std::thread::sleep(Duration::from_millis(300));
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("{text:?} does not appear:\n{}", self.screen().contents())
    }

    fn press(&mut self, keys: &str) -> Result<()> {
        self.keys.write_all(keys.as_bytes())?;
        Ok(self.keys.flush()?)
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

fn take(picture: &Picture) -> Result<Screen> {
    let mut dashboard = Dashboard::start(&picture.arguments)?;
    for (text, pressed) in picture.steps {
        dashboard.wait_for(text)?;
        dashboard.press(pressed)?;
    }
    dashboard.wait_for(picture.until)?;
    Ok(dashboard.screen())
}

/// The screens of the moving picture, and how long each is shown.
fn take_film() -> Result<Vec<(Screen, Duration)>> {
    let mut dashboard = Dashboard::start(&["demo", "--pace", "0.5"].map(str::to_owned))?;
    let mut screens = Vec::new();
    for (text, pressed, shown) in FILM {
        dashboard.wait_for(text).context("the moving picture")?;
        screens.push((dashboard.screen(), shown));
        dashboard.press(pressed)?;
    }
    Ok(screens)
}

fn svg(screen: &Screen) -> String {
    let rows: String = (0..screen.size().0).map(|row| draw_row(screen, row)).collect();
    frame(screen.size(), &rows)
}

/// The terminal's window around rows that are drawn.
fn frame((rows, columns): (u16, u16), drawn: &str) -> String {
    let (width, height) =
        (f64::from(columns) * CELL.0 + 2.0 * MARGIN, f64::from(rows) * CELL.1 + 2.0 * MARGIN);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"10\" fill=\"#16181d\"/>\n\
         <g font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"14\">\n\
         {drawn}</g>\n</svg>\n"
    )
}

fn draw_row(screen: &Screen, row: u16) -> String {
    let columns = screen.size().1;
    let (mut drawn, mut column) = (String::new(), 0);
    while column < columns {
        let end = (column..columns).find(|&end| style(screen, row, end) != style(screen, row, column));
        let end = end.unwrap_or(columns);
        draw(&mut drawn, screen, row, column..end);
        column = end;
    }
    drawn
}

/// Several screens in turn, without end. A row that stays the same over several screens is drawn once.
fn moving_svg(screens: &[(Screen, Duration)]) -> String {
    let total: Duration = screens.iter().map(|(_, shown)| *shown).sum();
    let mut start = Duration::ZERO;
    let starts: Vec<f64> = screens
        .iter()
        .map(|(_, shown)| {
            let at = start.as_secs_f64() / total.as_secs_f64();
            start += *shown;
            at
        })
        .chain([1.0])
        .collect();
    let size = screens[0].0.size();
    let mut drawn = String::new();
    for row in 0..size.0 {
        let versions: Vec<String> = screens.iter().map(|(screen, _)| draw_row(screen, row)).collect();
        let mut first = 0;
        while first < versions.len() {
            let same = versions[first..].iter().take_while(|version| **version == versions[first]).count();
            let end = first + same;
            let is_still = (first..end).contains(&STILL);
            let shown = shown_between(starts[first], starts[end], total);
            let visibility = if is_still { "visible" } else { "hidden" };
            let _ = write!(drawn, "<g visibility=\"{visibility}\">{shown}\n{}</g>\n", versions[first]);
            first = end;
        }
    }
    frame(size, &drawn)
}

/// Shows a group from one part of the whole time to another, between 0 and 1.
fn shown_between(from: f64, until: f64, total: Duration) -> String {
    let mut changes = vec![("hidden", 0.0), ("visible", from), ("hidden", until)];
    if from == 0.0 {
        changes.remove(0);
    }
    if until == 1.0 {
        changes.pop();
    }
    let values: Vec<&str> = changes.iter().map(|change| change.0).collect();
    let times: Vec<String> = changes.iter().map(|change| format!("{:.4}", change.1)).collect();
    format!(
        "<animate attributeName=\"visibility\" calcMode=\"discrete\" dur=\"{}s\" repeatCount=\"indefinite\" values=\"{}\" keyTimes=\"{}\"/>",
        total.as_secs_f64(),
        values.join(";"),
        times.join(";")
    )
}

fn cell(screen: &Screen, row: u16, column: u16) -> &Cell {
    screen.cell(row, column).expect("within the screen")
}

/// Whether to draw a symbol as a shape, because fonts lack it or leave gaps between blocks.
fn is_drawn(symbol: char) -> bool {
    matches!(symbol, '\u{2800}'..='\u{28ff}' | '▀'..='█')
}

/// Draws a braille pattern as dots, a block as a rectangle.
fn dots_and_blocks(symbol: char, x: f64, y: f64, fill: &str, opacity: &str) -> String {
    let (width, height) = CELL;
    match symbol {
        '\u{2800}'..='\u{28ff}' => {
            // Column, row and bit of each dot.
            const DOTS: [(f64, f64); 8] = [
                (0.0, 0.0),
                (0.0, 1.0),
                (0.0, 2.0),
                (1.0, 0.0),
                (1.0, 1.0),
                (1.0, 2.0),
                (0.0, 3.0),
                (1.0, 3.0),
            ];
            let bits = symbol as u32 - 0x2800;
            let dot = |(bit, (column, row)): (usize, &(f64, f64))| {
                let (cx, cy) = (x + (0.25 + 0.5 * column) * width, y + (0.125 + 0.25 * row) * height);
                (bits >> bit & 1 == 1).then(|| {
                    format!("<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"1.2\" fill=\"{fill}\"{opacity}/>\n")
                })
            };
            DOTS.iter().enumerate().filter_map(dot).collect()
        }
        '▀'..='█' => {
            let part = f64::from(symbol as u32 - 0x2580) / 8.0;
            let (top, height) =
                if symbol == '▀' { (y, height / 2.0) } else { (y + (1.0 - part) * height, part * height) };
            // A little wider than the cell, so that no gap shows between two cells.
            let width = width + 0.4;
            format!(
                "<rect x=\"{x:.1}\" y=\"{top:.2}\" width=\"{width:.1}\" height=\"{height:.2}\" fill=\"{fill}\"{opacity}/>\n"
            )
        }
        _ => String::new(),
    }
}

/// The style of a cell; cells with equal styles are drawn together.
fn style(screen: &Screen, row: u16, column: u16) -> (Color, Color, bool, bool, bool) {
    let cell = cell(screen, row, column);
    (cell.fgcolor(), cell.bgcolor(), cell.bold(), cell.dim(), cell.inverse())
}

/// Draws cells of one style, stretched to their width in any font.
fn draw(svg: &mut String, screen: &Screen, row: u16, columns: Range<u16>) {
    let text: String = columns
        .clone()
        .map(|column| match cell(screen, row, column).contents() {
            "" => " ",
            contents => contents,
        })
        .collect();
    let (x, y) = (MARGIN + f64::from(columns.start) * CELL.0, MARGIN + f64::from(row) * CELL.1);
    let width = f64::from(columns.end - columns.start) * CELL.0;
    let (foreground, background, bold, dim, inverse) = style(screen, row, columns.start);
    if inverse || background != Color::Default {
        let fill = colour(if inverse { foreground } else { background });
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{fill}\"/>",
            CELL.1
        );
    }
    if text.trim().is_empty() {
        return;
    }
    let fill = if inverse { "#16181d".to_owned() } else { colour(foreground) };
    let opacity = if dim { " opacity=\"0.6\"" } else { "" };
    for (at, symbol) in text.chars().enumerate() {
        svg.push_str(&dots_and_blocks(symbol, x + at as f64 * CELL.0, y, &fill, opacity));
    }
    let weight = if bold { " font-weight=\"bold\"" } else { "" };
    let baseline = y + CELL.1 * 0.74;
    for (at, words) in texts(&text) {
        let x = x + at as f64 * CELL.0;
        let width = words.chars().count() as f64 * CELL.0;
        let escaped = words.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{baseline:.1}\" textLength=\"{width:.1}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{fill}\"{weight}{opacity}>{escaped}</text>"
        );
    }
}

/// The parts of a text between two and more spaces, and where each begins. Some viewers would join such spaces.
fn texts(text: &str) -> Vec<(usize, String)> {
    let symbols: Vec<char> = text.chars().map(|symbol| if is_drawn(symbol) { ' ' } else { symbol }).collect();
    let is_gap = |at: usize| symbols.get(at).is_none_or(|&symbol| symbol == ' ');
    let (mut parts, mut at) = (Vec::new(), 0);
    while at < symbols.len() {
        if is_gap(at) {
            at += 1;
            continue;
        }
        let end = (at..).find(|&end| is_gap(end) && is_gap(end + 1)).unwrap_or(symbols.len());
        parts.push((at, symbols[at..end].iter().collect()));
        at = end;
    }
    parts
}

fn colour(colour: Color) -> String {
    match colour {
        Color::Idx(1 | 9) => "#ef6b73".into(),
        Color::Idx(2 | 10) => "#8ccf7e".into(),
        Color::Idx(3 | 11) => "#e5c76b".into(),
        Color::Idx(4 | 12) => "#67a6f0".into(),
        Color::Idx(5 | 13) => "#c68aee".into(),
        Color::Idx(6 | 14) => "#6cd3d6".into(),
        Color::Rgb(red, green, blue) => format!("#{red:02x}{green:02x}{blue:02x}"),
        Color::Default | Color::Idx(_) => "#d8dae0".into(),
    }
}
