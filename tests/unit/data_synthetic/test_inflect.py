import pytest

from sylvian.data.synthetic.inflect import article, noun_forms, verb_forms


@pytest.mark.parametrize(
    ("entry", "plural"),
    [
        ("dog", "dogs"),
        ("church", "churches"),
        ("box", "boxes"),
        ("city", "cities"),
        ("boy", "boys"),
        ("man/men", "men"),
        ("sheep/sheep", "sheep"),
    ],
)
def test_plurals(entry, plural):
    assert noun_forms(entry)["pl"] == plural
    assert noun_forms(entry)[""] == entry.split("/")[0]


@pytest.mark.parametrize(
    ("entry", "forms"),
    [
        ("walk", "walk walks walked walked walking"),
        ("stop+", "stop stops stopped stopped stopping"),
        ("bake", "bake bakes baked baked baking"),
        ("agree", "agree agrees agreed agreed agreeing"),
        ("hurry", "hurry hurries hurried hurried hurrying"),
        ("go/went/gone", "go goes went gone going"),
        ("tie/tied/tied/tying", "tie ties tied tied tying"),
        ("watch", "watch watches watched watched watching"),
        ("take/took/taken", "take takes took taken taking"),
    ],
)
def test_verbs(entry, forms):
    found = verb_forms(entry)
    assert [found[form] for form in ("base", "s", "past", "part", "ing")] == forms.split()
    assert found[""] == found["base"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [("apple", "an"), ("dog", "a"), ("hour", "an"), ("unique", "a"), ("unimportant", "an")],
)
def test_articles(word, expected):
    assert article(word) == article(word.upper()) == expected
