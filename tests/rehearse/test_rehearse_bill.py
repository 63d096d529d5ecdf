from proxy.rehearse.bill import Bill, BillEntry


def test_tokens_by_model_and_completeness():
    bill = Bill()
    bill.open(BillEntry(0.0, "a-1", "m", "k", 10, 5, complete=True))
    broken = bill.open(BillEntry(1.0, "a-2", "m", "k", 7))
    bill.open(BillEntry(2.0, "a-3", "n", "k", 1, 1, complete=True))
    broken.output += 3
    assert bill.tokens() == (18, 9)
    assert bill.tokens("m") == (17, 8)
    assert bill.tokens("m", complete=True) == (10, 5)
    assert bill.tokens(complete=False) == (7, 3)
