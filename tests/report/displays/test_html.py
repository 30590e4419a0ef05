"""Tables of notebooks."""

from xml.etree import ElementTree

from adapt.report.displays.html import ROWS, html_table


def test_a_table_is_escaped_and_well_formed() -> None:
    text = html_table("a & b", ["x", "<y>"], [["1", "<script>"], ["2", 0.5]])
    table = ElementTree.fromstring(text)
    assert table.findtext("caption") == "a & b"
    assert [cell.text for cell in table.findall("thead/tr/th")] == ["x", "<y>"]
    rows = [[cell.text for cell in row] for row in table.findall("tbody/tr")]
    assert rows == [["1", "<script>"], ["2", "0.5"]]


def test_long_tables_say_what_they_leave_out() -> None:
    table = ElementTree.fromstring(html_table("", ["n"], [[number] for number in range(ROWS + 7)]))
    rows = table.findall("tbody/tr")
    assert len(rows) == ROWS + 1
    assert rows[-1].findtext("td") == "and 7 more"


def test_without_rows_there_are_no_names_of_columns() -> None:
    assert ElementTree.fromstring(html_table("clean", ["n"], [])).find("thead") is None
