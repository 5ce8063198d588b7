//! The host as a process: what it keeps when it is killed, and how it ends.

#[cfg(test)]
mod process {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpStream;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Output, Stdio};
    use std::time::{Duration, Instant};

    /// Calls that are answered before a host is killed.
    const SOME: usize = 200;

    /// A host of its own, killed when the test is over.
    struct Running {
        child: Child,
        address: String,
    }

    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    fn command(arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
        command.args(arguments);
        command
    }

    fn output(arguments: &[&str]) -> (Option<i32>, String) {
        let Output { status, stderr, .. } = command(arguments).output().unwrap();
        (status.code(), String::from_utf8(stderr).unwrap())
    }

    fn start(data: &Path) -> Running {
        let mut child =
            command(&["--port", "0", "--data", data.to_str().unwrap()]).stdout(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let address = first.split("http://").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
        Running { child, address }
    }

    fn scratch(name: &str) -> PathBuf {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&path);
        path
    }

    /// One request on a connection of its own; `None` when no whole answer came.
    fn call(address: &str, target: &str, body: &str) -> Option<String> {
        let mut stream = TcpStream::connect(address).ok()?;
        let head = format!(
            "POST /dev/aws HTTP/1.1\r\nhost: {address}\r\nx-amz-target: {target}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.starts_with("HTTP/1.1 200").then_some(answer)
    }

    fn number_after(text: &str, label: &str) -> usize {
        let rest = text.split(label).nth(1).unwrap();
        rest.trim_start_matches(|c: char| !c.is_ascii_digit())
            .split(|c: char| !c.is_ascii_digit())
            .next()
            .unwrap()
            .parse()
            .unwrap()
    }

    /// Repeats a call until the host is killed in the midst of them, after some; says how many were answered.
    fn acknowledged_before_a_kill(data: &Path, target: &'static str, body: fn(usize) -> String) -> usize {
        let mut host = start(data);
        let address = host.address.clone();
        let (tell, some) = std::sync::mpsc::channel();
        let caller = std::thread::spawn(move || {
            let mut answered = 0;
            while call(&address, target, &body(answered)).is_some() {
                answered += 1;
                let _ = tell.send(());
            }
            answered
        });
        assert_eq!(some.iter().take(SOME).count(), SOME, "the host ended by itself");
        host.child.kill().unwrap();
        caller.join().unwrap()
    }

    /// The call that the kill cut off may have been carried out, too.
    fn all_kept(kept: usize, answered: usize) -> bool {
        kept == answered || kept == answered + 1
    }

    #[test]
    fn an_item_survives_a_kill_once_it_is_acknowledged() {
        let data = scratch("killed-table");
        let item = |n| format!(r#"{{"TableName":"Members","Item":{{"member":{{"S":"killed-{n}"}}}}}}"#);
        let answered = acknowledged_before_a_kill(&data, "DynamoDB_20120810.PutItem", item);
        let host = start(&data);
        // The member of the ready token is there, too, and isn't counted.
        let all = call(&host.address, "DynamoDB_20120810.Scan", r#"{"TableName":"Members"}"#).unwrap();
        let kept = all.matches("killed-").count();
        assert!(all_kept(kept, answered), "{kept} of {answered}");
    }

    #[test]
    fn a_message_survives_a_kill_once_it_is_acknowledged() {
        let data = scratch("killed-queue");
        // No function takes from the dead letters, so they stay to be counted.
        let message = |n| format!(r#"{{"QueueUrl":"http://x/0/RecomputeDeadLetters","MessageBody":"{n}"}}"#);
        let answered = acknowledged_before_a_kill(&data, "AmazonSQS.SendMessage", message);
        let host = start(&data);
        let all = r#"{"QueueUrl":"http://x/0/RecomputeDeadLetters","AttributeNames":["All"]}"#;
        let attributes = call(&host.address, "AmazonSQS.GetQueueAttributes", all).unwrap();
        let kept = number_after(&attributes, "\"ApproximateNumberOfMessages\":");
        assert!(all_kept(kept, answered), "{kept} of {answered}");
    }

    #[cfg(unix)]
    #[test]
    fn a_host_that_is_asked_to_stop_ends_soon_and_well() {
        let mut host = start(&scratch("stopped"));
        let asked = Instant::now();
        let pid = host.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert_eq!(host.child.wait().unwrap().code(), Some(0));
        assert!(asked.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn what_cannot_be_done_is_one_sentence_and_an_exit_code() {
        assert_eq!(output(&["--colour"]), (Some(2), "There is no option --colour: see --help.\n".to_owned()));
        let host = start(&scratch("taken"));
        let port = host.address.rsplit(':').next().unwrap();
        let sentence = format!("Port {port} is taken: stop the other program or choose another with --port.\n");
        assert_eq!(output(&["--memory", "--port", port]), (Some(1), sentence));
    }

    #[test]
    fn a_backup_tells_by_its_exit_code_whether_it_was_made() {
        let (data, file) = (scratch("backed-up"), scratch("huitou.backup"));
        std::fs::create_dir_all(&data).unwrap();
        let _ = std::fs::remove_file(&file);
        let (data_text, file_text) = (data.to_str().unwrap(), file.to_str().unwrap());
        let arguments = ["backup", file_text, "--data", data_text];
        let (code, told) = output(&arguments);
        assert!(code == Some(1) && told.starts_with("There is no data in "), "{code:?} {told}");
        assert_eq!(output(&["backup"]), (Some(2), "A backup needs the file, as huitou.backup.\n".to_owned()));
        let host = start(&data);
        assert_eq!(output(&arguments).0, Some(0), "while the host runs");
        drop(host);
        let (code, told) = output(&["restore", file_text, "--data", data_text]);
        assert!(code == Some(1) && told.starts_with("There is data in "), "{code:?} {told}");
    }

    #[test]
    fn a_damaged_file_is_one_sentence_and_an_exit_code() {
        let data = scratch("damaged");
        std::fs::create_dir_all(&data).unwrap();
        std::fs::write(data.join("queue.sqlite"), vec![0x5a; 20_000]).unwrap();
        let (code, sentence) = output(&["--port", "0", "--data", data.to_str().unwrap()]);
        assert_eq!((code, sentence.lines().count()), (Some(1), 1));
        assert!(sentence.contains("queue.sqlite is damaged"), "{sentence}");
    }
}
