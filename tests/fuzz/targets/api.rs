//! Frames of the control socket: whatever a line holds, reading it ends, and what was read is
//! written as something that reads the same.

use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::api::{ClientFrame, ServerFrame};
use shared::event::Event;

use crate::edits::edited;

pub(crate) fn property(input: &[u8]) {
    let line = edited(&sound(), input);
    survives::<ClientFrame>(&line);
    survives::<ServerFrame>(&line);
    survives::<Event>(&line);
}

fn survives<Frame: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(line: &[u8]) {
    let Ok(frame) = serde_json::from_slice::<Frame>(line) else {
        return;
    };
    let written = serde_json::to_vec(&frame).expect("a frame that was read can be written");
    assert!(!written.contains(&b'\n'), "a frame is one line");
    let again: Frame = serde_json::from_slice(&written).expect("a frame that was written reads");
    assert_eq!(again, frame);
}

fn sound() -> Vec<Vec<u8>> {
    [
        r#"{"hbd":{"api":[1,1],"version":"0.1.0","node":"alice","role":"admin"}}"#,
        r#"{"id":1,"request":"snapshot"}"#,
        r#"{"id":2,"request":{"subscribe":{"recent":10}},"key":"a"}"#,
        r#"{"id":3,"request":{"fault":{"medium":"eth0","cut_in":true,"loss_percent":50}}}"#,
        r#"{"id":5,"request":{"send":{"node":"bob","to":"backup","from":"cron","class":"bulk","data":"AP8K"}},"key":"k"}"#,
        r#"{"message":{"delivery":1,"node":"bob","from":"cron","number":7,"data":"AP8K"}}"#,
        r#"{"session":{"node":"bob","from":"cron","ended":{"not-announced":{"node":"carol"}},"text":"x"}}"#,
        r#"{"id":4,"error":{"code":"not-permitted","text":"no"}}"#,
        r#"{"id":1,"ok":"done"}"#,
        r#"{"id":"alice:7.3","boot_ns":5,"wall_ns":6,"time":null,"severity":"notice","object":{"node":"bob"},"kind":"node-restarted","data":{"node":"bob","from":6,"to":7},"cause":{"event":"alice:s7.1"},"text":"node bob restarted"}"#,
        r#"{"event":{"id":"alice:7.3","boot_ns":5,"wall_ns":6,"time":null,"severity":"notice","object":"daemon","kind":"from-the-future","data":[1,{"a":null}],"text":"x"}}"#,
        r#"{"snapshot":{"at":{"boot":1,"wall":2},"view":{"started":null,"since":null,"nodes":{},"media":{},"communication_up":false,"leaving":false,"impostor":null,"clones":{},"degraded":[],"config_warnings":[],"faults":{},"core_deaths":0,"stalls":0,"worst_stall":{"secs":0,"nanos":0},"last_event":null},"sample":null}}"#,
    ]
    .map(|line| line.as_bytes().to_vec())
    .to_vec()
}
