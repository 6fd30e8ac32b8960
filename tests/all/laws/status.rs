//! Which transitions of a run's status are legal.

use domain::Status;

const ALL: [Status; 13] = [
    Status::Queued,
    Status::Preparing,
    Status::Planning,
    Status::Working,
    Status::Waiting,
    Status::AwaitingUser,
    Status::Publishing,
    Status::Done,
    Status::Nothing,
    Status::Rejected,
    Status::Expired,
    Status::Cancelled,
    Status::Failed,
];

#[test]
fn an_ended_run_stays_ended_and_any_other_can_fail_or_be_cancelled() {
    for from in ALL {
        for to in ALL {
            if from.is_terminal() || to == Status::Queued || from == to {
                assert!(!from.may_become(to), "{from} -> {to}");
            }
        }
        if !from.is_terminal() {
            assert!(from.may_become(Status::Failed), "{from}");
            assert!(from.may_become(Status::Cancelled), "{from}");
        }
    }
    assert!(!Status::Queued.may_become(Status::Done));
    assert!(!Status::Preparing.may_become(Status::Done));
    assert!(Status::Publishing.may_become(Status::Done));
}
