//! The demo and the product's own API, killed in the middle of their work: what a start on the same directory finds.

#[cfg(test)]
mod killed {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fmt::Write as _;
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpStream;
    use std::path::{Path, PathBuf};
    use std::process::{Child, ChildStderr, Command, Stdio};

    use huitou::cases::recompute::{Task, all_shards};
    use local::queue::{Draft, Queues};
    use local::template::Template;
    use serde_json::{Value, json};

    /// Purchases in the log that is imported.
    const PURCHASES: usize = 3_000;

    /// A process of its own, killed when the test is over.
    struct Running(Child);

    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn command(arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
        command.args(arguments).stdin(Stdio::null());
        command
    }

    fn scratch(name: &str) -> PathBuf {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// The first customers' purchases of spring 1997 from the real log, as CSV. Nothing lapses within its days, so a
    /// point that does was judged by another time.
    fn small_log(file: &Path) {
        let text = std::fs::read_to_string(local::demo::log::cdnow_path()).unwrap();
        let mut csv = "customer,order,date,fen\n".to_owned();
        let spring = |line: &str| line.split_whitespace().nth(1).is_some_and(|day| day < "19970601");
        let lines = (2..).zip(text.lines().skip(1)).filter(|(_, line)| spring(line));
        for (number, line) in lines.take(PURCHASES) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [customer, day, _, dollars] = fields[..] else { panic!("{line}") };
            let (year, month, day) = (&day[..4], &day[4..6], &day[6..]);
            let fen = dollars.replace('.', "");
            writeln!(csv, "{customer},line-{number},{year}-{month}-{day},{}", fen.parse::<u64>().unwrap()).unwrap();
        }
        std::fs::write(file, csv).unwrap();
    }

    fn demo(log: &Path, data: &Path) -> Command {
        let (log, data) = (log.to_str().unwrap(), data.to_str().unwrap());
        let mut command = command(&["demo", "--port", "0", "--file", log, "--data", data, "--json", "--exit"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// What a whole demo says, without the time that it took, and what it told on the way.
    fn totals(mut demo: Command) -> (Value, String) {
        let output = demo.output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{told}");
        let mut totals: Value = serde_json::from_slice(&output.stdout).unwrap();
        totals.as_object_mut().unwrap().remove("seconds").unwrap();
        // Who has moved since the run before depends on where that one was killed.
        totals.as_object_mut().unwrap().remove("moves").unwrap();
        (totals, told)
    }

    /// Reads progress until more than a third of the orders have been taken.
    fn wait_for_a_third(stderr: &mut BufReader<ChildStderr>) {
        loop {
            let mut line = String::new();
            assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "the demo ended before it was killed");
            let done = line.split_once('/').and_then(|(done, _)| done.parse::<usize>().ok());
            if done.is_some_and(|done| done * 3 > PURCHASES) {
                return;
            }
        }
    }

    /// What the nightly run of a day in 1997 leaves in the queue when the host is killed at that moment.
    fn leave_nightly_work(data: &Path) {
        let template = Template::shipped().unwrap();
        let queues = Queues::open(Some(&data.join("queue.sqlite")), &template.queues).unwrap();
        for shard in all_shards() {
            let body = serde_json::to_string(&Task::Due { shard }).unwrap();
            let draft = Draft { body, attributes: BTreeMap::default(), delay: None, trace: None };
            queues.send("RecomputeQueue", &[draft]).unwrap();
        }
    }

    #[test]
    fn an_import_that_was_killed_comes_to_the_same_when_it_is_started_again() {
        let directory = scratch("killed-import");
        let log = directory.join("log.csv");
        small_log(&log);
        let (wanted, _) = totals(demo(&log, &directory.join("calm")));
        assert_eq!((&wanted["orders"], &wanted["points"]["balanced"]), (&json!(PURCHASES), &json!(true)), "{wanted}");
        assert_eq!(wanted["points"]["expired"], json!(0), "{wanted}");

        let data = directory.join("killed");
        let mut child = demo(&log, &data).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut running = Running(child);
        wait_for_a_third(&mut stderr);
        running.0.kill().unwrap();
        running.0.wait().unwrap();
        leave_nightly_work(&data);

        let (found, told) = totals(demo(&log, &data));
        assert_eq!(found, wanted, "{told}");
        let replayed = told.split(" new, ").nth(1).and_then(|rest| rest.split_once(' ')?.0.parse::<usize>().ok());
        assert!(replayed.is_some_and(|replayed| replayed * 3 > PURCHASES && replayed < PURCHASES), "{told}");
    }

    /// A host that was started on a directory.
    struct Host {
        process: Running,
        address: String,
    }

    fn start(data: &Path) -> Host {
        let mut command = command(&["--port", "0", "--data", data.to_str().unwrap()]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let address = first.split("http://").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
        Host { process: Running(child), address }
    }

    fn token(data: &Path, role: &str) -> String {
        let output = command(&["token", "--role", role, "--data", data.to_str().unwrap()]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// One request on a connection of its own; `None` when no whole answer came. An edit builds on the first version.
    fn call(address: &str, token: &str, method: &str, target: &str, body: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(address).ok()?;
        let request = format!(
            "{method} {target} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nif-match: \"1\"\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(body).ok()
    }

    /// Two orders for one customer, who becomes a member by the first of all.
    fn two_orders(n: usize) -> String {
        let order = |place: usize| {
            let customer = json!({ "card": format!("card-{}", n % 7) });
            json!({
                "source": "till", "id": format!("{n}-{place}"), "customer": customer,
                "paid_at": "2026-03-01T12:00:00+08:00", "amount": 1_000 + n,
            })
        };
        json!({ "orders": [order(0), order(1)] }).to_string()
    }

    fn results(answer: &Value) -> Vec<(String, u64)> {
        let results = answer["results"].as_array().unwrap().iter();
        results.map(|r| (r["status"].as_str().unwrap().to_owned(), r["points"].as_u64().unwrap())).collect()
    }

    #[test]
    fn an_order_survives_a_kill_once_it_is_acknowledged_and_its_account_can_be_proved() {
        /// After so many acknowledged batches the host is killed; the caller goes on until nobody answers.
        const ENOUGH: usize = 60;
        let data = scratch("killed-orders");
        let mut host = start(&data);
        let till = token(&data, "system");
        let (address, bearer) = (host.address.clone(), till.clone());
        let (tell, told) = std::sync::mpsc::channel();
        let caller = std::thread::spawn(move || {
            let mut answers = Vec::new();
            while let Some(answer) = call(&address, &bearer, "POST", "/v1/orders", &two_orders(answers.len())) {
                answers.push(answer);
                if answers.len() == ENOUGH {
                    tell.send(()).unwrap();
                }
            }
            answers
        });
        told.recv().unwrap();
        host.process.0.kill().unwrap();
        let answers = caller.join().unwrap();
        drop(host);

        let host = start(&data);
        let mut members = BTreeSet::new();
        // The batch that the kill cut off is sent again as well; it may have been carried out in part.
        for n in 0..=answers.len() {
            let again = call(&host.address, &till, "POST", "/v1/orders", &two_orders(n)).unwrap();
            for (status, points) in results(&again) {
                assert!(points > 0);
                assert!(status == "replayed" || n == answers.len() && status == "created", "{again}");
            }
            if let Some(first) = answers.get(n) {
                let points = |answer| results(answer).into_iter().map(|(_, points)| points).collect::<Vec<_>>();
                assert_eq!(points(first), points(&again));
            }
            members.extend(again["results"].as_array().unwrap().iter().map(|r| r["member_id"].to_string()));
        }
        assert_eq!(members.len(), 7, "one member per card");
        let manager = token(&data, "manager");
        let mut orders = 0;
        for member in members {
            let target = format!("/v1/points/proof?member_id={}", member.trim_matches('"'));
            let proof = call(&host.address, &manager, "GET", &target, "").unwrap();
            assert!(proof["fault"].is_null(), "{proof}");
            orders += proof["entries"].as_u64().unwrap();
        }
        assert_eq!(orders, 2 * (answers.len() as u64 + 1), "each order is one entry");
    }

    /// Orders by which cards become members, who then have bought something, however long ago by the clock.
    fn first_orders(cards: std::ops::Range<usize>) -> String {
        let order = |n: usize| {
            json!({
                "source": "till", "id": format!("first-{n}"), "customer": { "card": format!("card-{n}") },
                "paid_at": "2026-03-01T12:00:00+08:00", "amount": 1_000,
            })
        };
        json!({ "orders": cards.map(order).collect::<Vec<_>>() }).to_string()
    }

    fn members_in(answer: &Value) -> Vec<String> {
        let results = answer["results"].as_array().unwrap().iter();
        results.map(|result| result["member_id"].as_str().unwrap().to_owned()).collect()
    }

    /// How often a playbook has acted on a member.
    fn acts(host: &Host, manager: &str, member: &str) -> usize {
        let page = call(&host.address, manager, "GET", &format!("/v1/members/{member}/timeline"), "").unwrap();
        page["items"].as_array().unwrap().iter().filter(|row| row["kind"] == "playbook").count()
    }

    #[test]
    fn a_playbook_acts_once_on_every_move_that_was_acknowledged_before_a_kill() {
        let data = scratch("killed-playbooks");
        let mut host = start(&data);
        let (till, manager) = (token(&data, "system"), token(&data, "manager"));
        let playbook = json!({ "goal": "复购", "owner": "运营组", "on_enter": [{ "give_points": { "points": 20 } }] });
        call(&host.address, &manager, "PUT", "/v1/segments/journey.purchase/playbook", &playbook.to_string()).unwrap();
        let sell = |host: &Host, cards| call(&host.address, &till, "POST", "/v1/orders", &first_orders(cards)).unwrap();
        // Killed as soon as the last batch is acknowledged, when most of its moves still wait.
        let mut members = members_in(&sell(&host, 0..25));
        members.append(&mut members_in(&sell(&host, 25..50)));
        host.process.0.kill().unwrap();
        drop(host);

        let host = start(&data);
        // Moves are worked on in order: when this one is, all are.
        let last = members_in(&sell(&host, 50..51)).remove(0);
        let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
        while acts(&host, &manager, &last) == 0 {
            assert!(std::time::Instant::now() < deadline, "no playbook acts after a kill");
        }
        for member in members.iter().chain([&last]) {
            assert_eq!(acts(&host, &manager, member), 1, "{member}");
        }
    }
}
