"""Small solvers that read plain English. Each returns an answer, or None if it does not understand the text.

They look for numbers, units, dates, quotations and the words that name an operation, not for the wording of any
particular question, so that they can answer questions that were not written for them. Their settings limit the
precision of their tools.

    arithmetic    calculations: expressions, percentages, word problems
    expressions   sums spelled out with operators, verbs or nouns
    percent       shares of a hundred
    stories       word problems
    strings       letters and words
    units         units of measurement
    dates         the calendar
    calendar      two calendars to calculate with
    facts         general knowledge
    passages      questions about a short passage
    crude         rules of thumb
    guess         answers outside a specialist's field
    words         number words, and the pieces of a sentence
"""
