from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcp_actors.errors import SchemaError
from zcp_actors.schemas import Template
from zcp_actors.schemas.uri_match import MAX_URI_CHARS
from zcp_actors.schemas.uri_template import MAX_EXPRESSIONS

RFC_VALUES = {
    "count": ["one", "two", "three"],
    "dom": ["example", "com"],
    "dub": "me/too",
    "hello": "Hello World!",
    "half": "50%",
    "var": "value",
    "who": "fred",
    "base": "http://example.com/home/",
    "path": "/foo/bar",
    "list": ["red", "green", "blue"],
    "keys": {"semi": ";", "dot": ".", "comma": ","},
    "v": "6",
    "x": "1024",
    "y": "768",
    "empty": "",
    "empty_keys": {},
    "undef": None,
}


@pytest.mark.parametrize(
    ("template", "uri"),
    [
        ("{count}", "one,two,three"),
        ("{count*}", "one,two,three"),
        ("{/count}", "/one,two,three"),
        ("{/count*}", "/one/two/three"),
        ("{;count}", ";count=one,two,three"),
        ("{;count*}", ";count=one;count=two;count=three"),
        ("{?count}", "?count=one,two,three"),
        ("{?count*}", "?count=one&count=two&count=three"),
        ("{&count*}", "&count=one&count=two&count=three"),
        ("{hello}", "Hello%20World%21"),
        ("{half}", "50%25"),
        ("O{empty}X", "OX"),
        ("O{undef}X", "OX"),
        ("{x,y}", "1024,768"),
        ("{x,hello,y}", "1024,Hello%20World%21,768"),
        ("?{x,empty}", "?1024,"),
        ("?{x,undef}", "?1024"),
        ("{var:3}", "val"),
        ("{var:30}", "value"),
        ("{list}", "red,green,blue"),
        ("{keys}", "semi,%3B,dot,.,comma,%2C"),
        ("{keys*}", "semi=%3B,dot=.,comma=%2C"),
        ("{+hello}", "Hello%20World!"),
        ("{+half}", "50%25"),
        ("{base}index", "http%3A%2F%2Fexample.com%2Fhome%2Findex"),
        ("{+base}index", "http://example.com/home/index"),
        ("O{+empty}X", "OX"),
        ("{+path}/here", "/foo/bar/here"),
        ("here?ref={+path}", "here?ref=/foo/bar"),
        ("up{+path}{var}/here", "up/foo/barvalue/here"),
        ("{+x,hello,y}", "1024,Hello%20World!,768"),
        ("{+path:6}/here", "/foo/b/here"),
        ("{+keys*}", "semi=;,dot=.,comma=,"),
        ("{#hello}", "#Hello%20World!"),
        ("foo{#empty}", "foo#"),
        ("foo{#undef}", "foo"),
        ("{#path:6}/here", "#/foo/b/here"),
        ("{.who}", ".fred"),
        ("{.half,who}", ".50%25.fred"),
        ("www{.dom*}", "www.example.com"),
        ("X{.empty}", "X."),
        ("X{.keys*}", "X.semi=%3B.dot=..comma=%2C"),
        ("X{.empty_keys}", "X"),
        ("{/var,x}/here", "/value/1024/here"),
        ("{/var:1,var}", "/v/value"),
        ("{/list*,path:4}", "/red/green/blue/%2Ffoo"),
        ("{;v,empty,who}", ";v=6;empty;who=fred"),
        ("{;keys}", ";keys=semi,%3B,dot,.,comma,%2C"),
        ("{;keys*}", ";semi=%3B;dot=.;comma=%2C"),
        ("{?x,y,empty}", "?x=1024&y=768&empty="),
        ("{?var:3}", "?var=val"),
        ("{?keys*}", "?semi=%3B&dot=.&comma=%2C"),
        ("?fixed=yes{&x}", "?fixed=yes&x=1024"),
        ("{&var:3}", "&var=val"),
    ],
)
def test_expansion_gives_the_examples_of_the_rfc(template, uri):
    """RFC 6570 section 3.2."""
    assert Template(template).expand(RFC_VALUES) == uri


@pytest.mark.parametrize(
    ("template", "uri", "values"),
    [
        ("weather://{city}/current", "weather://Rome/current", {"city": "Rome"}),
        ("weather://{city}", "weather://S%C3%A3o%20Paulo", {"city": "São Paulo"}),
        ("weather://{city}", "weather://São", {"city": "São"}),
        ("wetter://münchen/{x}", "wetter://m%C3%BCnchen/1", {"x": "1"}),
        ("file:///{+path}", "file:///a/b/c.txt", {"path": "a/b/c.txt"}),
        ("file://{/path*}", "file:///a/b", {"path": ["a", "b"]}),
        ("x{/a,b}", "x/1/2", {"a": "1", "b": "2"}),
        ("x{/a}{/b}", "x/1", {"a": "1"}),
        ("x{/a}{/b}", "x/1/2", {"a": "1", "b": "2"}),
        ("q{?a,b*}", "q?b=1&a=x%2Fy&b=2", {"a": "x/y", "b": ["1", "2"]}),
        ("q{?a,b}", "q", {}),
        ("q{?a,b}", "q?a", {"a": ""}),
        ("q{?a}{&b}", "q?b=1", {"b": "1"}),
        ("q?fixed=1{&a}", "q?fixed=1&a=2", {"a": "2"}),
        ("{name}{.ext}", "a.tar.gz", {"name": "a.tar", "ext": "gz"}),
        ("{name}{.ext}", "README", {"name": "README"}),
        ("{+path}{?v}", "a/b?v=1", {"path": "a/b", "v": "1"}),
        ("doc{#part}", "doc#a/b?c", {"part": "a/b?c"}),
        ("m{;a,b}", "m;a=1;b=2", {"a": "1", "b": "2"}),
        ("{a,b}", "1,2", {"a": "1", "b": "2"}),
        ("{list*}", "1,2", {"list": ["1", "2"]}),
        ("{+a}x{b}", "1x/2x3", {"a": "1x/2", "b": "3"}),
        ("{a}-end", "x-end-end", {"a": "x-end"}),
        ("{a}/{a}", "same/same", {"a": "same"}),
        ("/{term:1}/{term}", "/d/dog", {"term": "dog"}),
        ("fixed://x", "fixed://x", {}),
    ],
)
def test_a_matching_uri_gives_its_variables(template, uri, values):
    assert Template(template).match(uri) == values


@pytest.mark.parametrize(
    ("template", "uri"),
    [
        ("file:///{name}", "file:///a/b"),
        ("file:///{name}", "file:///a%2Fb"),
        ("file:///{name}", "file:///..%2F..%2Fetc%2Fpasswd"),
        ("file:///{name}", "file:///%2e%2e"),
        ("file:///{name}", "file:///.."),
        ("file:///{name}", "file:///..%5Cboot.ini"),
        ("file:///{name}", "file:///a%00b"),
        ("file://{/path*}", "file:///a/%2e%2e/b"),
        ("file:///{+path}", "file:///a/../../etc/passwd"),
        ("file:///{+path}", "file:///%2e%2e%2fetc"),
        ("x{.ext}", "x.a%2fb"),
    ],
)
def test_no_variable_climbs_out_of_its_directory(template, uri):
    assert Template(template).match(uri) is None


@pytest.mark.parametrize(
    ("template", "uri"),
    [
        ("users/{id}", "users/"),
        ("users/{id}", "users/1/x"),
        ("users/{id}", "people/1"),
        ("users/{id}", "users/1?x=2"),
        ("users/{id}", "users/%ff"),
        ("users/{id}", "users/\ud800"),
        ("{a}/{a}", "one/other"),
        ("/{term:1}/{term}", "/c/dog"),
        ("{var:3}", "value"),
        ("q{?a}", "q?z=1"),
        ("q{?a}", "q?a=1&a=2"),
        ("x{/a,b}", "x/1/2/3"),
        ("fixed://x", "fixed://xy"),
        ("{x}", ""),
        ("{+x}", "a" * (MAX_URI_CHARS + 1)),
    ],
)
def test_what_the_template_never_gives_does_not_match(template, uri):
    assert Template(template).match(uri) is None


@pytest.mark.parametrize(
    "text",
    [
        "{", "a{b", "{}", "{a", "a}", "{a b}", "{=a}", "{!a}", "{|a}", "{a:0}", "{a:10000}", "{a:x}", "{a*:3}",
        "{a,}", "{.}", "{a{b}}", "with space", "<x>", "a" * 10_000, "{a}" * (MAX_EXPRESSIONS + 1),
    ],
)  # fmt: skip
def test_a_bad_template_is_refused(text):
    with pytest.raises(SchemaError, match="URI template"):
        Template(text)


def test_variables_are_listed_once_in_order():
    assert Template("{b}/{a:3}{?c*,b}").variables == ("b", "a", "c")


def test_values_that_no_uri_carries_are_refused():
    with pytest.raises(TypeError, match="variable 'a'"):
        Template("{a}").expand(a=object())
    with pytest.raises(TypeError, match="prefix"):
        Template("{a:2}").expand(a=["x"])
    assert Template("{a}{?b,c}").expand(a=1, b=True, c=1.5) == "1?b=true&c=1.5"


@pytest.mark.parametrize(
    ("template", "uri"),
    [
        ("{a}{b}{c}{d}{e}{f}{g}{h}!", "a" * 50_000),
        ("{+a}a{+b}a{+c}a{+d}a{+e}b", "a" * 50_000),
        ("{a}-{b}-{c}-{d}/x", "-" * 50_000),
        ("{/p*}/x{/q*}/y", "/x" * 25_000),
        ("{n}{.e}{.f}{.g}/", "." * 50_000),
        ("{+a}{?b,c}{&d}#", "?b=1&" * 10_000),
        ("{;a*}{;b*}x", ";a=1" * 12_500),
        ("{+p}aaaaaaaaaaaaaaab", "a" * 50_000),
        ("{+p}/{q}", "%2F" * 16_000),
    ],
)
def test_a_hostile_uri_is_answered_in_linear_time(template, uri):
    """A backtracking matcher takes hours for most of these; the bound is far above what one pass takes."""
    began = time.process_time()
    Template(template).match(uri)
    assert time.process_time() - began < 2


safe_text = st.text(min_size=1, max_size=8).filter(
    lambda text: not set(text) & set("/\\\x00") and text not in {".", ".."} and text.isprintable()
)
any_text = st.text(max_size=8).filter(lambda text: not any("\ud800" <= one <= "\udfff" for one in text))


@given(safe_text, safe_text, any_text, st.lists(any_text, min_size=1, max_size=3))
def test_matching_gives_back_what_was_expanded(first, second, query, many):
    template = Template("x://{first}/{second}{?query,many*}")
    values = {"first": first, "second": second, "query": query, "many": many}
    assert template.match(template.expand(values)) == values


@given(st.lists(safe_text, min_size=1, max_size=4), safe_text)
def test_exploded_paths_come_back_as_their_segments(segments, name):
    template = Template("x://host{/segments*}#{+name}")
    assert template.match(template.expand(segments=segments, name=name)) == {"segments": segments, "name": name}


@given(st.text("ab/.-?", max_size=12), st.sampled_from(["{a}/{b}", "{+a}/{b}", "{a}{.b}", "{+a}-{+b}", "a{/a}{/b}"]))
def test_whatever_matches_expands_to_the_same_uri_again(uri, text):
    template = Template(text)
    values = template.match(uri)
    if values is not None:
        assert template.expand(values) == uri
