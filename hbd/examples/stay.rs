//! A manager of one's own, as small as one can be: each group stays on its node in haresources, and
//! is never taken over. hbd-manager(7) has the protocol; in hbd.cf write
//!
//! ```text
//! manager /usr/local/sbin/stay
//! ```
//!
//! A group has a list of what is to be done with it, resource after resource. The end of one action
//! begins the next, and what goes wrong writes another list.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead, Write};

use serde_json::{Value, json};

/// What is to be done, and with which resource; of a pause how long it is.
type Step = (&'static str, usize);

/// So many seconds a group is left alone whose start failed.
const PAUSE: usize = 30;

struct Group {
    resources: usize,
    ours: bool,
    todo: VecDeque<Step>,
    /// Under way.
    doing: Option<Step>,
    /// Seconds until the list goes on.
    pause: usize,
}

#[derive(Default)]
struct Manager {
    groups: BTreeMap<String, Group>,
    /// Nothing is to be held here, and why.
    away: Option<&'static str>,
    leaving: bool,
    released: bool,
    actions: u64,
}

fn main() -> io::Result<()> {
    let mut manager = Manager::default();
    // hbd closes standard input when this program is not needed any more.
    for line in io::stdin().lock().lines() {
        let told: Value = serde_json::from_str(&line?)?;
        manager.hear(&told)?;
        manager.go_on()?;
    }
    Ok(())
}

impl Manager {
    /// One line has one member, which says what it is. One that is not known is skipped.
    fn hear(&mut self, told: &Value) -> io::Result<()> {
        let Some((word, what)) = told.as_object().and_then(|object| object.iter().next()) else {
            return Ok(());
        };
        match word.as_str() {
            "begin" => self.begin(what),
            "ping" => {
                say(&json!({ "pong": what }))?;
                let groups = self.groups.values_mut();
                groups.for_each(|group| group.pause = group.pause.saturating_sub(1));
            }
            "result" => self.end(what),
            "group" if what["state"] == "stopped" => self.with(&what["group"], Group::stopped),
            "loss" => self.with(&what["group"], Group::restart),
            "event" => match what["kind"].as_str() {
                Some("sick") => self.give_up("this node is sick"),
                Some("sick-over") if !self.leaving => self.take_up(),
                _ => {}
            },
            "order" => {
                let why = "each group stays on its node in haresources";
                say(&json!({ "ordered": { "id": what["id"], "refused": why } }))?;
            }
            "leave" => {
                self.leaving = true;
                self.give_up("this node leaves");
            }
            _ => {}
        }
        Ok(())
    }

    /// What a former manager held is looked at before anything is done.
    fn begin(&mut self, begin: &Value) {
        for line in begin["groups"].as_array().into_iter().flatten() {
            let name = line["name"].as_str().unwrap_or_default();
            let mut group = Group {
                resources: line["resources"].as_array().map_or(0, Vec::len),
                ours: line["preferred"] == begin["node"],
                todo: VecDeque::new(),
                doing: None,
                pause: 0,
            };
            match (begin["held"].get(name), group.ours) {
                // hbd stops what a former manager left half done.
                (Some(state), _) if state == "stopping" => {}
                (Some(_), true) => group.todo = group.each("status").collect(),
                (Some(_), false) => group.stop(),
                (None, true) => group.todo = group.each("start").collect(),
                (None, false) => {}
            }
            self.groups.insert(name.to_owned(), group);
        }
        if !begin["view"]["sick"].is_null() {
            self.give_up("this node is sick");
        }
    }

    fn with(&mut self, name: &Value, change: impl FnOnce(&mut Group)) {
        let group = name.as_str().and_then(|name| self.groups.get_mut(name));
        if let (Some(group), None) = (group, self.away) {
            change(group);
        }
    }

    fn give_up(&mut self, why: &'static str) {
        self.away = Some(why);
        self.groups.values_mut().for_each(Group::stop);
    }

    fn take_up(&mut self) {
        self.away = None;
        let ours = self.groups.values_mut().filter(|group| group.ours);
        ours.for_each(Group::restart);
    }

    /// The number of an action says which group it was for.
    fn end(&mut self, result: &Value) {
        let id = result["id"].as_u64().unwrap_or_default();
        let place = usize::try_from(id).unwrap_or_default() % self.groups.len().max(1);
        let away = self.away.is_some();
        if let Some(group) = self.groups.values_mut().nth(place) {
            group.end(result["outcome"] == "done", away);
        }
    }

    /// Begins what is next, one action for each group.
    fn go_on(&mut self) -> io::Result<()> {
        let count = self.groups.len() as u64;
        for (place, (name, group)) in (0..).zip(&mut self.groups) {
            if group.doing.is_some() || group.pause > 0 {
                continue;
            }
            match group.todo.pop_front() {
                Some(("pause", seconds)) => group.pause = seconds,
                step => group.doing = step,
            }
            if let Some((operation, resource)) = group.doing {
                self.actions += 1;
                let id = self.actions * count + place;
                let why = self.away.unwrap_or("it stays on its node");
                say(
                    &json!({ "act": { "id": id, "group": name, "resource": resource,
                                      "operation": operation, "why": why } }),
                )?;
            }
        }
        let rests = |group: &Group| group.doing.is_none() && group.todo.is_empty();
        if self.leaving && !self.released && self.groups.values().all(rests) {
            self.released = true;
            say(&json!({ "released": {} }))?;
        }
        Ok(())
    }
}

impl Group {
    fn each(&self, operation: &'static str) -> impl Iterator<Item = Step> + use<> {
        (0..self.resources).map(move |resource| (operation, resource))
    }

    /// In reverse. To stop what does not run is no mistake.
    fn stop(&mut self) {
        self.todo = (0..self.resources)
            .rev()
            .map(|resource| ("stop", resource))
            .collect();
        self.pause = 0;
    }

    fn restart(&mut self) {
        self.stop();
        self.todo.extend(self.each("start"));
    }

    /// By hbd, where nothing more was to be done.
    fn stopped(&mut self) {
        if self.ours && self.todo.is_empty() && self.doing.is_none() {
            self.todo = self.each("start").collect();
        }
    }

    fn end(&mut self, done: bool, away: bool) {
        match self.doing.take() {
            Some(("status", _)) if !done && !away => self.restart(),
            Some(("start", _)) if !done && !away => {
                self.stop();
                self.todo.push_back(("pause", PAUSE));
                self.todo.extend(self.each("start"));
            }
            // Until it works; on a node that is sick or leaves hbd sees to it too.
            Some(("stop", resource)) if !done => {
                self.todo.push_front(("stop", resource));
                self.pause = 1;
            }
            _ => {}
        }
    }
}

fn say(line: &Value) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}
