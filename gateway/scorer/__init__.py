"""From observed inputs to decisions: a client in the gateway's process, and the scorer in a process of its own.

    observation_queue  observations on their way out of the gateway
    fair_lanes         their order: fair between API keys, first in first out within a task
    question_gate      slots for questions, in turn by API key, and how many may wait
    client             the scorer as the gateway sees it: questions, replies, status, counts
    batch_size         how many inputs a batch has, by the scorer's speed
    embedded/          scorer as a child process, on a socket
    messages           everything that client and scorer exchange
    service            one scorer behind both transports: packs, batches, questions, errors, retries
    scorer             observations to decisions; everything that stores
    queries            questions that store nothing
    task_reader        stored tasks under the open pack: policies, costs, states
    score_choice       the score that decides a task, and why it is this one
    task_update        one task's inputs, one by one
    measured_gain      what routing gained a task, by its labels and feedback
    task_merge         one task's sums, moved to another one
    evidence           whose outcomes in the pack a configured model has
    recent_evidence    evidence of inputs that come again
    sampling           adaptive sampling of a batch
    eviction           eviction of tasks beyond a limit
    input_text         the text of a request that is embedded
    serialization      sums and embeddings as bytes
    task_labels        a task's labelled inputs and scored responses
    judged_labels      labels of judge models, with the error that their agreement implies
    inspection         outcomes, evidence, labels to add, comparison of packs
    background         executor for questions that take long
    stepwise           questions that embed, in steps between batches

The gateway's process imports observation_queue, fair_lanes, question_gate, client, messages, batch_size, evidence,
input_text and embedded.client: no numpy, and of the routing library only what needs none.
"""
