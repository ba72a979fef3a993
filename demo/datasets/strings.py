"""Questions about letters and words: reversed, counted, sorted, in another case."""

from random import Random

from demo.marking import MarkingRule
from demo.questions import Draft

WORDS = (  # noqa: SIM905 - reads better in lines than in a column
    "planet window garden silver orange bottle harvest lantern meadow whisper thunder captain mirror pepper "
    "blanket journey compass feather cottage rainbow kitchen marble village dolphin penguin library mountain "
    "elephant umbrella hospital calendar notebook sandwich sunflower butterfly crocodile strawberry chocolate "
    "adventure photograph restaurant helicopter basketball trampoline watermelon playground candle river "
    "cloud stone bread tiger eagle snow leaf drum hat boat lamp ink "
    "contract budget market lawyer election treaty insurance mortgage pension salary customer tariff profit "
    "electron gravity molecule theorem fraction neuron protein volcano climate diagnosis vaccine surgery"
).split()


def reversed_text(draw: Random) -> Draft:
    """Draw a word, or two, to reverse."""
    word, other = draw.sample(WORDS, 2)
    kind = draw.randrange(6)
    subject = f"{word} {other}" if kind in (3, 5) else word
    text = (
        f'Write the word "{subject}" backwards.',
        f'Reverse the letters of "{subject}".',
        f'Spell "{subject}" in reverse.',
        f'What is the text "{subject}" when reversed letter by letter?',
        f"Give the word '{subject}' from its last letter to its first.",
        f'Turn the string "{subject}" back to front.',
    )[kind]
    return Draft(text, subject[::-1], MarkingRule.EXACT)


def letter_counting(draw: Random) -> Draft:
    """Draw a question about the number of letters, vowels, words or single letters."""
    words = draw.sample(WORDS, draw.randint(1, 3))
    phrase, word = " ".join(words), words[0]
    letter = draw.choice(word)
    text, value = (
        (f'How many letters does the word "{word}" have?', len(word)),
        (f'How many times does the letter "{letter}" occur in "{phrase}"?', phrase.count(letter)),
        (f'Count the vowels in "{phrase}".', sum(c in "aeiou" for c in phrase)),
        (f'How many {letter}\'s are in the word "{word}"?', word.count(letter)),
        (f'Count the consonants in the word "{word}".', sum(c not in "aeiou" for c in word)),
        (f'What is the length of the word "{word}" in letters?', len(word)),
    )[draw.randrange(6)]
    return Draft(text, str(value), MarkingRule.NUMBER)


def word_sorting(draw: Random) -> Draft:
    """Draw words to sort, or to find the longest of."""
    words = draw.sample(WORDS, draw.randint(3, 5))
    by_length = sorted(set(map(len, words)))
    longest = [word for word in words if len(word) == by_length[-1]]
    listed = ", ".join(words)
    kind = draw.randrange(5)
    if kind == 4 and len(longest) == 1:
        return Draft(f"Which of these words is the longest: {listed}?", longest[0], MarkingRule.CONTAINS)
    text, ordered = (
        (f"Sort these words alphabetically: {listed}.", sorted(words)),
        (f"Put the following words in alphabetical order: {listed}.", sorted(words)),
        (f"Arrange in reverse alphabetical order: {listed}.", sorted(words, reverse=True)),
        (f"List these words from A to Z: {listed}.", sorted(words)),
    )[kind % 4]
    return Draft(text, ", ".join(ordered), MarkingRule.LIST)


def letter_case(draw: Random) -> Draft:
    """Draw a question about upper case, lower case, joined words or initials."""
    words = draw.sample(WORDS, draw.randint(2, 3))
    phrase = " ".join(words)
    titled = phrase.title()
    text, value = (
        (f'Write "{phrase}" in capital letters.', phrase.upper()),
        (f'Convert "{phrase.upper()}" to lowercase.', phrase),
        (f'Capitalise the first letter of each word in "{phrase}".', titled),
        (f'Replace every space in "{phrase}" with an underscore.', phrase.replace(" ", "_")),
        (f'Join the words "{phrase}" with hyphens.', phrase.replace(" ", "-")),
        (f'Change "{phrase}" to uppercase.', phrase.upper()),
        (f'Remove the spaces from "{phrase}".', phrase.replace(" ", "")),
        (f'What are the initials of "{titled}"?', "".join(word[0] for word in titled.split())),
    )[draw.randrange(8)]
    return Draft(text, value, MarkingRule.EXACT)
