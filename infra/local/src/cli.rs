//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use huitou::values::Moment;
use lexopt::{Arg, Parser, ValueExt as _};

use crate::host::{Options, Store};
use crate::lambda::Binaries;
use crate::wire::{Bearer, ROLES};

/// What `--help` prints.
pub const HELP: &str = "\
Huitou on one machine.

Usage: local [run] [options]      start everything and print where it answers
       local demo [options]       load a real purchase log through the API, then show what became of it
       local token --role ROLE    print a token for the API
       local redrive QUEUE        put a queue's dead letters back, while no host runs
       local backup FILE          copy all data into one file; a host may run meanwhile
       local restore FILE         put it back into an empty directory that has the keys

Options of run and demo:
  --port N           answer on 127.0.0.1:N (3000; 0 takes a free port)
  --data DIR         keep data in DIR (.data)
  --memory           keep no data
  --clock TIME       start with this business time, as 1998-06-30T12:00:00+08:00
  --programme FILE   start with the points programme in this JSON file
  --concurrency N    take on N requests at once and turn all others away with 503 (256; 16 with --binaries)

Options of run:
  --binaries DIR     run the functions' own binaries in DIR, as target/release, in processes as on Lambda

Options of demo:
  --file CSV         load this file instead: columns customer, order, date, fen, with a header line
  --json             print the summary as one JSON object on stdout, and everything else on stderr
  --campaign         write to the dormant a month before the log's end, and report what became of it
  --exit             end after the summary

Options of redrive, backup and restore:
  --data DIR         where the data is, or is to be (.data)

Options of token:
  --role ROLE        member, system, guide, agent, operator or manager
  --member ID        the member that a member's token is for
  --subject NAME     a name for the audit trail
  --data DIR         of the host that is to accept it (.data)

  --help             print this";

const DEFAULT_PORT: u16 = 3000;
const DEFAULT_DATA: &str = ".data";

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Start the host.
    Run(Run),
    /// Start the host and load a log.
    Demo(Demo),
    /// Print a token.
    Token {
        /// For whom.
        bearer: Bearer,
        /// The data directory of the host that is to accept it.
        data: PathBuf,
    },
    /// Put the dead letters of a queue back.
    Redrive {
        /// The queue of dead letters, as `SendDeadLetters`.
        queue: String,
        /// The data directory.
        data: PathBuf,
    },
    /// Copy all data into a file.
    Backup {
        /// The file.
        file: PathBuf,
        /// The data directory.
        data: PathBuf,
    },
    /// Put the data of a file back.
    Restore {
        /// The file.
        file: PathBuf,
        /// The data directory.
        data: PathBuf,
    },
    /// Print the help.
    Help,
}

/// How to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// How to start the host.
    pub host: Options,
    /// A file with the points programme to start with.
    pub programme: Option<PathBuf>,
}

/// How to run the demo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demo {
    /// How to run.
    pub run: Run,
    /// Another log than the shipped one.
    pub file: Option<PathBuf>,
    /// Whether stdout is for one JSON object only.
    pub json: bool,
    /// Whether to launch a campaign a month before the log's end.
    pub campaign: bool,
    /// Whether to end after the summary.
    pub exit: bool,
}

/// Every option that was given, before it is known which command it belongs to.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "one for each switch of the command line")]
struct Given {
    command: Option<String>,
    /// What a command is about: a queue, or a file.
    about: Option<OsString>,
    port: Option<u16>,
    data: Option<PathBuf>,
    memory: bool,
    clock: Option<Moment>,
    programme: Option<PathBuf>,
    binaries: Option<PathBuf>,
    concurrency: Option<usize>,
    file: Option<PathBuf>,
    json: bool,
    campaign: bool,
    exit: bool,
    role: Option<String>,
    member: Option<String>,
    subject: Option<String>,
    /// The options as they were written, to say which one a command does not have.
    named: Vec<String>,
}

/// Reads the arguments after the program's name; an error is one sentence for the user.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut given = Given::default();
    let mut parser = Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(|e| said(&e))? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Long(name) => {
                let name = name.to_owned();
                given.take(&name, &mut parser)?;
                given.named.push(name);
            }
            Arg::Value(word) if given.command.is_none() => given.command = Some(word.to_string_lossy().into_owned()),
            Arg::Value(word) if given.is_about_something() && given.about.is_none() => given.about = Some(word),
            other => return Err(said(&other.unexpected())),
        }
    }
    match given.command.as_deref() {
        None | Some("run") => {
            given.allow("run", &[COMMON.as_slice(), &["binaries"]].concat())?;
            given.run()
        }
        .map(Command::Run),
        Some("demo") => {
            given.allow("demo", &[COMMON.as_slice(), &["file", "json", "campaign", "exit"]].concat())?;
            let (file, json) = (given.file.clone(), given.json);
            let (campaign, exit) = (given.campaign, given.exit);
            Ok(Command::Demo(Demo { run: given.run()?, file, json, campaign, exit }))
        }
        Some("token") => given.allow("token", &["role", "member", "subject", "data"]).and_then(|()| given.token()),
        Some("redrive") => given.allow("redrive", &["data"]).and_then(|()| given.redrive()),
        Some("backup") => given
            .allow("backup", &["data"])
            .and_then(|()| given.kept())
            .map(|(file, data)| Command::Backup { file, data }),
        Some("restore") => given
            .allow("restore", &["data"])
            .and_then(|()| given.kept())
            .map(|(file, data)| Command::Restore { file, data }),
        Some(other) => {
            Err(format!("There is no command {other}: it is run, demo, token, redrive, backup or restore; see --help."))
        }
    }
}

/// What run and demo have in common: the demo replays years, and binaries go by real time.
const COMMON: [&str; 6] = ["port", "data", "memory", "clock", "programme", "concurrency"];

fn said(error: &lexopt::Error) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}: see --help.", letters.as_str())
}

impl Given {
    fn take(&mut self, name: &str, parser: &mut Parser) -> Result<(), String> {
        let mut text = |what: &str| -> Result<String, String> {
            let value = parser.value().map_err(|_| format!("--{name} needs {what}: see --help."))?;
            value.string().map_err(|e| said(&e))
        };
        match name {
            "port" => {
                let port = text("a port")?;
                self.port =
                    Some(port.parse().map_err(|_| format!("{port} is no port: it is a number from 0 to 65535."))?);
            }
            "data" => self.data = Some(text("a directory")?.into()),
            "memory" => self.memory = true,
            "clock" => {
                let time = text("a time")?;
                let read = Moment::parse(&time);
                self.clock = Some(read.map_err(|e| format!("{time} is no time for --clock: {e}."))?);
            }
            "programme" => self.programme = Some(text("a file")?.into()),
            "concurrency" => {
                let number = text("a number")?;
                let read = number.parse().ok().filter(|number| *number > 0);
                let wanted = || format!("{number} is no concurrency: it is a number of requests, 1 or more.");
                self.concurrency = Some(read.ok_or_else(wanted)?);
            }
            "binaries" => self.binaries = Some(text("a directory")?.into()),
            "file" => self.file = Some(text("a file")?.into()),
            "json" => self.json = true,
            "campaign" => self.campaign = true,
            "exit" => self.exit = true,
            "role" => self.role = Some(text("a role")?),
            "member" => self.member = Some(text("a member's id")?),
            "subject" => self.subject = Some(text("a name")?),
            other => return Err(format!("There is no option --{other}: see --help.")),
        }
        Ok(())
    }

    fn allow(&self, command: &str, allowed: &[&str]) -> Result<(), String> {
        match self.named.iter().find(|name| !allowed.contains(&name.as_str())) {
            Some(name) => Err(format!("The command {command} has no option --{name}: see --help.")),
            None => Ok(()),
        }
    }

    fn run(&self) -> Result<Run, String> {
        let store = match (&self.data, self.memory) {
            (Some(_), true) => return Err("--data and --memory can't go together: leave one out.".to_owned()),
            (None, true) => Store::Memory,
            (data, false) => Store::Directory(data.clone().unwrap_or_else(|| DEFAULT_DATA.into())),
        };
        let binaries = self.binaries.clone().map(|directory| Binaries { directory, aws: None });
        let (port, concurrency) = (self.port.unwrap_or(DEFAULT_PORT), self.concurrency);
        let host = Options { port, store, clock: self.clock, binaries, concurrency };
        Ok(Run { host, programme: self.programme.clone() })
    }

    fn redrive(&self) -> Result<Command, String> {
        let queue = self.about.clone().ok_or("A redrive needs the queue of dead letters, as SendDeadLetters.")?;
        Ok(Command::Redrive { queue: queue.to_string_lossy().into_owned(), data: self.directory() })
    }

    fn is_about_something(&self) -> bool {
        self.command.as_deref().is_some_and(|command| ["redrive", "backup", "restore"].contains(&command))
    }

    fn directory(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(|| DEFAULT_DATA.into())
    }

    /// The file of a backup, and the data directory.
    fn kept(&self) -> Result<(PathBuf, PathBuf), String> {
        let command = self.command.as_deref().unwrap_or_default();
        let file = self.about.clone().ok_or_else(|| format!("A {command} needs the file, as huitou.backup."))?;
        Ok((file.into(), self.directory()))
    }

    fn token(&self) -> Result<Command, String> {
        let role = self.role.clone().ok_or_else(|| format!("A token needs --role, one of {}.", ROLES.join(", ")))?;
        if !ROLES.contains(&role.as_str()) {
            return Err(format!("There is no role {role}: it is one of {}.", ROLES.join(", ")));
        }
        if (role == "member") != self.member.is_some() {
            return Err("--role member and --member ID go together: give both or none.".to_owned());
        }
        let bearer = Bearer { role, member: self.member.clone(), subject: self.subject.clone() };
        let data = self.data.clone().unwrap_or_else(|| DEFAULT_DATA.into());
        Ok(Command::Token { bearer, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn without_arguments_the_host_runs_on_port_3000_with_its_data_in_the_directory() {
        let store = Store::Directory(".data".into());
        let host = Options { port: 3000, store, clock: None, binaries: None, concurrency: None };
        let expected = Command::Run(Run { host, programme: None });
        assert_eq!(parsed("").unwrap(), expected);
        assert_eq!(parsed("run").unwrap(), expected);
    }

    #[test]
    fn the_demo_takes_the_options_of_run_and_its_own() {
        let Command::Demo(demo) = parsed("demo --json --campaign --exit --memory --port=0 --file x.csv").unwrap()
        else {
            panic!()
        };
        assert!(demo.json && demo.campaign && demo.exit);
        assert_eq!((demo.run.host.port, demo.run.host.store), (0, Store::Memory));
        assert_eq!(demo.file, Some("x.csv".into()));
    }

    #[test]
    fn a_token_is_for_a_role_and_for_a_member_only_with_the_members_id() {
        let Command::Token { bearer, .. } = parsed("token --role manager --subject anna").unwrap() else { panic!() };
        assert_eq!((bearer.role.as_str(), bearer.subject.as_deref()), ("manager", Some("anna")));
        assert!(parsed("token --role member --member m1").is_ok());
        for (line, reason) in [
            ("token", "needs --role"),
            ("token --role king", "no role king"),
            ("token --role member", "go together"),
            ("token --role manager --member m1", "go together"),
        ] {
            assert!(parsed(line).unwrap_err().contains(reason), "{line}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said_in_a_sentence() {
        for (line, sentence) in [
            ("--colour", "There is no option --colour: see --help."),
            ("dance", "There is no command dance: it is run, demo, token, redrive, backup or restore; see --help."),
            ("redrive", "A redrive needs the queue of dead letters, as SendDeadLetters."),
            ("backup", "A backup needs the file, as huitou.backup."),
            ("restore --memory f", "The command restore has no option --memory: see --help."),
            ("--port high", "high is no port: it is a number from 0 to 65535."),
            ("--port", "--port needs a port: see --help."),
            ("--data d --memory", "--data and --memory can't go together: leave one out."),
            ("--concurrency 0", "0 is no concurrency: it is a number of requests, 1 or more."),
            ("token --concurrency 9", "The command token has no option --concurrency: see --help."),
            ("run --exit", "The command run has no option --exit: see --help."),
            ("run --memory=yes", "Unexpected argument for option '--memory': \"yes\": see --help."),
        ] {
            assert_eq!(parsed(line).unwrap_err(), sentence);
        }
        assert!(
            parsed("--clock noon").unwrap_err().starts_with("noon is no time for --clock: expected a time in RFC 3339")
        );
    }

    #[test]
    fn help_is_asked_for_anywhere() {
        assert_eq!(parsed("demo --help").unwrap(), Command::Help);
        assert_eq!(parsed("-h").unwrap(), Command::Help);
    }
}
