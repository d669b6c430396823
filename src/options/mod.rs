//! Every option, said once. The command line wins over the configuration file, and the file over the default.
//!
//! An option that both have is one declaration in `table.rs`: from it follow its argument and its help, its key in the
//! file and how that is read, its lines in the file that `neurotop config` prints, and its field of [`OptionValues`].
//! Adding one takes its declaration and the place that uses the field. A value in the file is parsed as the same text
//! would be on the command line. What an option does is for the module that uses it, not for this directory.

pub mod cli;
pub mod config;
mod declaration;
mod default_file;
mod derived;
pub mod parsers;
mod resolve;
mod table;

pub use declaration::{Declaration, Purpose};
pub use default_file::default_text;
pub use derived::thread_count;
pub use resolve::{Origin, Said};
pub use table::{OPTIONS, OptionValues};
