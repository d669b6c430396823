//! Prints what a frame of 200×50 costs with 4, 200 and 2,000 layers, beside 50 runs, and how much of a
//! processor an idle dashboard takes.
//!
//! `cargo bench --bench frames`; with `-- SECONDS`, the idle dashboard is looked at for so long.

use anyhow::{Context, Result};
use neurotop::count::{BatchCount, LayerCount};
use neurotop::dashboard::{Action, Motion, UiState, View, ViewModel, draw};
use neurotop::figures::checks::Checks;
use neurotop::run::{Addition, Run, Runs, Settings};
use neurotop::snapshot::{LayerShape, Manifest};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

const LAYERS: [usize; 3] = [4, 200, 2000];
const RUNS: usize = 50;
const BATCHES: u64 = 600;
const FRAMES: usize = 300;

fn main() -> Result<()> {
    println!("Milliseconds a frame at 200x50 (median of {FRAMES}), {RUNS} runs, {BATCHES} batches each\n");
    println!("{:10} {:>26} {:>26} {:>14}", "", "nothing new", "after each batch", "2,000 : 4");
    println!("{:10} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}", "layers", 4, 200, 2000, 4, 200, 2000);
    let mut all = LAYERS.map(Scenery::new);
    for view in [View::Overview, View::Layer, View::Charts, View::Runs, View::Steps] {
        let still = all.each_mut().map(|scenery| scenery.median(view, false));
        let busy = all.each_mut().map(|scenery| scenery.median(view, true));
        let figures: Vec<String> = still.iter().chain(&busy).map(|time| format!("{time:8.3}")).collect();
        println!(
            "{:10} {} {:>6.1} {:>6.1}",
            view.name(),
            figures.join(" "),
            still[2] / still[0],
            busy[2] / busy[0]
        );
    }
    idle(std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(10.0))
}

/// Runs, a dashboard of them, and the next batch.
struct Scenery {
    /// The runs as their owners have them.
    owned: Vec<Run>,
    runs: Runs,
    model: ViewModel,
    state: UiState,
    terminal: Terminal<TestBackend>,
    shapes: Arc<[LayerShape]>,
    next: u64,
}

impl Scenery {
    fn new(layers: usize) -> Self {
        let name = |layer: usize| format!("backbone.stage{}.block{:02}.lif", layer / 20, layer % 20);
        let shapes: Arc<[LayerShape]> = (0..layers)
            .map(|layer| LayerShape { name: name(layer), neurons: Some(vec![64, 8, 8]) })
            .collect();
        let entry =
            |layer: usize| serde_json::json!({"name": name(layer), "neuron": "Leaky", "reset": "zero"});
        let manifest = serde_json::json!({"format": "neurotop", "version": 1, "run": "bench",
            "expected_batches": 1_000_000, "layers": (0..layers).map(entry).collect::<Vec<_>>()});
        let manifest = Arc::new(Manifest::parse(manifest.to_string().as_bytes()).expect("a manifest"));
        let mut run = Run::new(settings());
        run.take_manifest(manifest);
        let owned = vec![run; RUNS];
        let mut runs = Runs::new(Path::new("runs/0"), settings());
        for (number, run) in owned.iter().enumerate() {
            runs.set(number, &directory(number), run.clone());
        }
        let model = ViewModel::new(&runs, Checks::default(), SystemTime::now());
        let terminal = Terminal::new(TestBackend::new(200, 50)).expect("a terminal");
        let mut scenery = Self { owned, runs, model, state: UiState::default(), terminal, shapes, next: 0 };
        for _ in 0..BATCHES {
            scenery.add_batch(0);
        }
        for run in 1..RUNS {
            scenery.add_batch(run);
        }
        scenery.frame();
        for action in [Action::Go(Motion::Rows(1)), Action::Open, Action::Go(Motion::Rows(1)), Action::Open] {
            scenery.state.show(View::Charts);
            scenery.state.update(action, &scenery.model);
        }
        scenery
    }

    fn add_batch(&mut self, run: usize) {
        self.next += 1;
        let number = self.next;
        let layer = |layer: u64| {
            let updates = 100_000 + (layer * 7919 + number * 104_729) % 50_000;
            LayerCount {
                updates,
                dense: 200_000,
                updates_by_step: vec![updates / 16; 16],
                ..Default::default()
            }
        };
        let count = BatchCount {
            samples: 16,
            shapes: Arc::clone(&self.shapes),
            layers: (0..self.shapes.len() as u64).map(layer).collect(),
        };
        let name = format!("batch-{number:06}.npz");
        let (now, owned) = (SystemTime::now(), &mut self.owned[run]);
        owned.add(Addition::new(number.into(), name, now, 1 << 20, count), now);
        *owned = owned.clone().concluded(now);
        self.runs.set(run, &directory(run), owned.clone());
    }

    fn frame(&mut self) {
        self.model.refresh(&self.runs, SystemTime::now());
        let (model, state) = (&self.model, &mut self.state);
        self.terminal.draw(|frame| draw(frame, model, state, Instant::now())).expect("drawn");
    }

    /// The median time of a frame in milliseconds; applying the batch is not a part of it.
    fn median(&mut self, view: View, busy: bool) -> f64 {
        self.state.show(view);
        let mut times: Vec<Duration> = (0..FRAMES)
            .map(|_| {
                if busy {
                    self.add_batch(0);
                }
                let start = Instant::now();
                self.frame();
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        times[FRAMES / 2].as_secs_f64() * 1e3
    }
}

fn directory(number: usize) -> PathBuf {
    format!("runs/{number}").into()
}

fn settings() -> Settings {
    Settings { live: true, ..Settings::new("bench") }
}

/// Watches the demo's run, which is over, and says how much processor time that takes.
fn idle(seconds: f64) -> Result<()> {
    let size = PtySize { rows: 50, cols: 200, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size)?;
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_neurotop"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo-run"));
    let mut child = pair.slave.spawn_command(command)?;
    let mut output = pair.master.try_clone_reader()?;
    std::thread::spawn(move || {
        let mut bytes = [0; 8192];
        while let Ok(1..) = output.read(&mut bytes) {}
    });
    std::thread::sleep(Duration::from_secs(2));
    let process = child.process_id().context("no process")?;
    let before = processor_time(process)?;
    std::thread::sleep(Duration::from_secs_f64(seconds));
    let used = processor_time(process)? - before;
    child.kill()?;
    println!("\nIdle, {seconds} s: {:.2} % of one processor", 100.0 * used / seconds);
    Ok(())
}

/// Seconds of processor time that a process has used (Linux).
fn processor_time(process: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(") ").next().context("no fields")?.split(' ').collect();
    let ticks = |field: usize| fields.get(field).and_then(|text| text.parse::<f64>().ok()).context("a time");
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}
